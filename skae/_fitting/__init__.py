"""A fit, told in order."""
