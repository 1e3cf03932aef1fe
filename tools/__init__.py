"""Programs for people who work on trioagent; the agent itself needs none of them."""
