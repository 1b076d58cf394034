"""Bytes of a saved file, their checks, and export."""
