"""Each promise of docs/guarantees.md names the test that holds it; here: it exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISE = re.compile(
    r"^\| (?P<promise>[^|]+) \| (?P<tests>`tests/[^|]+`) \|$", re.MULTILINE
)


def promises() -> list[tuple[str, str]]:
    """Each promise with each test that is named for it."""
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    return [
        (found["promise"].strip(), test)
        for found in PROMISE.finditer(text)
        for test in re.findall(r"`([^`]+)`", found["tests"])
    ]


def test_the_page_has_promises_and_no_line_without_a_test() -> None:
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(rows) > 30
    assert [line for line in rows if not PROMISE.match(line)] == []


@pytest.mark.parametrize(("promise", "test"), promises())
def test_the_test_of_a_promise_exists(promise: str, test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"), file)
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in ast.walk(tree) if isinstance(node, made)}
    # A state machine's tests are an attribute of it, under a name of ours.
    names |= {ast.unparse(n.targets[0]) for n in tree.body if isinstance(n, ast.Assign)}
    assert name in names, promise
