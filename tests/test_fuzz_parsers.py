"""Every parser that eats bytes from outside, on broken inputs: see docs/fuzzing.md.

Hypothesis draws the inputs, the same ones in each run; `bench.fuzz` draws millions of
others. What these have found has a test of its own in test_fuzz_findings.py.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz import table
from tests.fuzzing.all_targets import TARGETS
from tests.fuzzing.large import large_inputs
from tests.fuzzing.mutator import Edit, make
from tests.fuzzing.running import Hang, aborted_after, fuzz, material_of
from tests.fuzzing.target import Target

EXAMPLES = 80
LARGE_BYTES = 60_000
# The square of these takes minutes, what grows with the length a fraction of a second.
LARGE_LIMIT_S = 20.0
LARGE_PIECES = 2
# tomllib takes a key apart in quadratic time; who writes the settings is their owner.
NOT_LARGE = {"config.toml", "text.spoken", "text.phrases", "text.stable_prefix"}

_EDITS = st.lists(
    st.builds(
        Edit,
        st.integers(0, 15),
        st.integers(0, 1 << 30),
        st.integers(0, 1 << 30),
    ),
    max_size=6,
)


@pytest.mark.parametrize("name", TARGETS)
def test_broken_inputs_raise_only_what_is_documented(name: str) -> None:
    target = TARGETS[name]
    material = material_of(target)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 1 << 20), _EDITS)
    def run(seed: int, edits: list[Edit]) -> None:
        with aborted_after(LARGE_LIMIT_S):
            gives(make(material, seed, edits))

    with target.ready() as gives:
        run()


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_input_is_accepted(name: str) -> None:
    """Else the inputs made from it would be refused at once, and prove nothing."""
    target = TARGETS[name]
    given = [target.gives(seed) for seed in target.seeds()]
    # What a login and a check of pins end with when all went well is an error, too.
    expected = {"mumble.login": "RoomRejected"}.get(name, "ok")
    assert expected in given, given


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - NOT_LARGE))
def test_the_work_grows_with_the_length_not_with_its_square(name: str) -> None:
    target = TARGETS[name]
    for label, data in large_inputs(material_of(target), LARGE_BYTES, LARGE_PIECES):
        try:
            with aborted_after(LARGE_LIMIT_S):
                target.gives(data)
        except Hang:
            pytest.fail(f"{label} takes more than {LARGE_LIMIT_S} s")


# --- the machinery itself --------------------------------------------------------


def _planted(data: bytes) -> None:
    if data.startswith(b"\xff\xff\xff\xff"):
        raise IndexError("a length was believed")
    if b"[[[" in data:
        raise ValueError("documented")


def test_a_planted_bug_is_found() -> None:
    target = Target("planted", _planted, lambda: [b"\0\0\0\4abcd"], (ValueError,))
    outcome = fuzz(target, inputs=3000, seconds=20, seed=1)
    assert outcome.inputs == 3000
    assert outcome.gave["ok"] > 2000
    assert outcome.gave["ValueError"] > 0, "brackets were nested"
    assert outcome.gave["CRASH IndexError"] > 0, "a length was a lie"
    (place,) = outcome.crashes
    assert place.startswith("IndexError in tests/test_fuzz_parsers.py"), place
    assert bytes.fromhex(outcome.crashes[place]).startswith(b"\xff\xff\xff\xff")


def test_memory_out_of_proportion_is_found() -> None:
    target = Target(
        "greedy", lambda _: bytearray(1 << 22), lambda: [b"x"], most_bytes=1
    )
    outcome = fuzz(target, inputs=600, seconds=20, seed=1)
    assert list(outcome.crashes) == ["allocated 4 MiB"]


def test_an_endless_loop_is_left() -> None:
    def forever() -> None:
        while True:
            pass

    with pytest.raises(Hang), aborted_after(0.05):
        forever()


def test_the_same_seed_gives_the_same_inputs() -> None:
    seen: list[list[bytes]] = []
    for _ in range(2):
        inputs: list[bytes] = []
        target = Target(
            "seen", inputs.append, lambda: [b"abc", b'{"a": 1}'], is_json=True
        )
        fuzz(target, inputs=300, seconds=20, seed=4)
        seen.append(inputs)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 200


def test_results_become_a_table() -> None:
    target = Target("planted", _planted, lambda: [b"\0\0\0\4abcd"], (ValueError,))
    line = json.dumps(fuzz(target, inputs=900, seconds=20, seed=1).as_line())
    assert "| `planted` | 900 |" in table([line])
    assert "1 parsers, 900 inputs" in table([line, line])
