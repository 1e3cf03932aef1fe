"""Fuzzing of every parser that eats bytes from outside; see docs/fuzzing.md."""
