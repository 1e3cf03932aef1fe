"""Decisions: values in, values out. Nothing in here awaits or reads a clock."""
