"""`python -m trioagent`."""

from trioagent.cli import entry

if __name__ == "__main__":
    entry()
