"""One file per foreign system. Depends on trioagent, never the reverse."""
