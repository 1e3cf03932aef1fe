"""Searching settings under which recorded turns would have been answered sooner."""
