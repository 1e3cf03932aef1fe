"""What happened, when, and what it cost."""
