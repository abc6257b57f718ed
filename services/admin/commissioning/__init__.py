"""Commissioning: whether a station can do what it is configured for, step by step, in plain words."""
