"""A rule as a form, and what a form says of a rule. Pure. What a form cannot say stays as it is in the rule."""
