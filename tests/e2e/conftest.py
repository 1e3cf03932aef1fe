"""Fixtures that all tests against real servers share."""

from tests.e2e.murmur import murmur_certificates, murmur_server

__all__ = ["murmur_certificates", "murmur_server"]
