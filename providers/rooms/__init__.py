"""Rooms: where people talk."""
