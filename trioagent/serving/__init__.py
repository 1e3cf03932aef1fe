"""Our models behind the Wyoming protocol, for other processes and other programs."""
