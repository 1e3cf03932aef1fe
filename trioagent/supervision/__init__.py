"""How the running agent is, and whom it tells: the log, a local socket, systemd."""
