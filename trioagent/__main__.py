"""`python -m trioagent`."""

import sys

from trioagent.cli import main

sys.exit(main())
