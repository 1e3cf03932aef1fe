"""Fixtures that the contract of rooms shares with the other tests on real servers."""

from tests.e2e.murmur import murmur_certificates, murmur_server

__all__ = ["murmur_certificates", "murmur_server"]
