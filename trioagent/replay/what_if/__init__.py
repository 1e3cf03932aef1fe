"""Recorded turns under other settings: an estimate of what would have happened."""
