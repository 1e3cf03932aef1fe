"""One target under coverage guidance: needs `atheris`, which is no dependency of ours.

    python -m tests.fuzzing.guided NAME FOLDER -max_total_time=60

FOLDER gets the seeds and what reaches new code; the rest are libFuzzer's own options.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run until libFuzzer ends the process."""
    import atheris  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - optional

    name, folder = sys.argv[1:3]
    with atheris.instrument_imports(include=["providers", "trioagent"]):
        from tests.fuzzing.all_targets import TARGETS  # noqa: PLC0415 - instrumented
    target = TARGETS[name]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (Path(folder) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], folder, *sys.argv[3:]], target.gives)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
