"""Erasing all that is kept of a patient, with proof (docs/decisions/0041).

A person asks; admin finds what is the patient's, has each service erase what it owns, erases what is its own, looks
again in each place, and only when nothing is found writes the proof and forgets who it was.
"""
