"""The Wyoming protocol: frames, addresses and connections, for clients and servers."""
