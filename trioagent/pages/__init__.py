"""Recordings as pages for a browser: to look at, and to listen to."""
