"""A second user: says something, listens, and takes the time."""
