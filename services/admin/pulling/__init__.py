"""Asking stations again and again what they have that is not here, and having them send it."""
