"""Trains a tiny streaming recogniser in the format of the exported Nemotron models.

The result understands 206 words, loads through the same code as the real models, and
is small enough to be part of the tests. It learns from espeak-ng's speech alone, on one
CPU.
"""
