"""A recorded turn, interrupted before every step of every task."""
