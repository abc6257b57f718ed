"""Transformations: what rules change of what they send. The original stays as it is (P4).

``transformation`` holds the steps and their number, ``apply`` carries them out from file to file, ``checking`` says
what is wrong with a step in a rule file, ``comparison`` shows what became of a data set.
"""
