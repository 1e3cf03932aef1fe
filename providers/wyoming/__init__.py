"""Clients of Wyoming servers: what the recognizer and the synthesizer share."""
