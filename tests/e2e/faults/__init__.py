"""Every fault in every phase of a turn, on real parts: the fault matrix.

`python -m tests.e2e.faults` runs all of it and writes docs/fault-matrix.md.
"""
