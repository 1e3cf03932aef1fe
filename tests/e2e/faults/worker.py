"""A process that runs cells: `python -m tests.e2e.faults.worker AT_ONCE CELLS FILE`."""

from __future__ import annotations

import json
import logging
import sys

from tests.e2e.faults.matrix import work
from tests.e2e.faults.table import Cell

if __name__ == "__main__":
    logging.basicConfig(
        level=logging.WARNING, format="%(relativeCreated)d %(name)s %(message)s"
    )
    given = [Cell(*names) for names in json.loads(sys.argv[2])]
    work(given, int(sys.argv[1]), sys.argv[3])
