"""Chains of dense layers in NumPy."""
