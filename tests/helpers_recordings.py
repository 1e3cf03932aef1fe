"""A recording as one would be made, small, and strategies for any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import attrs
import numpy as np
from hypothesis import strategies as st

from trioagent.recording import format as f
from trioagent.recording.folder import RecordingFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trioagent.interfaces import Pcm
    from trioagent.recording.reader import Recording

HEADER = f.Header(
    recording=f.VERSION,
    program="0.2.0",
    label="2026-03-01 12:00:00",
    agent="Robin",
    config={"turn": {"hold_ms": 300}},
    providers={"asr": "sherpa"},
    vad_frame_samples=512,
    synthesizer_rate_hz=22_050,
    room_rate_hz=48_000,
    memory={"turns": 3},
    present=(f.Person(7, "Ana"), f.Person(8, "Bot", agent=True)),
    ears=(f.Ear(7, -0.02, 64, pre_roll=(f.Kept(-0.04, 5), f.Kept(-0.02, 3, True))),),
)
ENTRIES: tuple[f.Entry, ...] = (
    f.Happened(0.0, 4, "speech_started", {"speaker": "Ana"}),
    f.Packet(0.01, 7, 4, arrived=0.009, speech=(0.25, 0.75)),
    f.Happened(0.25, 5, "speech_started", {"speaker": "Bot"}),
    f.Packet(0.3, 8, 3),
    f.Packet(0.31, 7, 0, ends_talk=True),
    f.Sound(0.4, 1, 0.39, 6, words=((0, 0), (4, 3))),
    f.Frame(0.5, 2),
    f.Packet(0.55, 7, 2),
    f.Frame(0.6, 3, last=True),
    f.Happened(0.75, 5, "outcome", {"kind": "ignored"}),
    f.Happened(1.0, 4, "outcome", {"kind": "answered"}),
    f.Ended(1.0),
)


def stem_of(entry: f.Entry) -> str:
    if isinstance(entry, f.Packet):
        return f"heard-{entry.speaker}"
    return {f.Sound: "synthesized", f.Frame: "spoken"}.get(type(entry), "")


def audio_for(entries: Sequence[f.Entry], header: f.Header | None = None) -> Any:
    """Noise for each entry, different everywhere; with the header's pre-roll first."""
    noise = np.random.default_rng(len(entries))
    audio: dict[str, list[Pcm]] = {}

    def add(stem: str, samples: int) -> None:
        piece = noise.integers(-32768, 32767, samples, dtype=np.int16, endpoint=True)
        audio.setdefault(stem, []).append(piece)

    for ear in () if header is None else header.ears:
        for kept in ear.pre_roll:
            add(f"heard-{ear.speaker}", kept.samples)
    for entry in entries:
        if stem := stem_of(entry):
            add(stem, entry.samples)  # type: ignore[union-attr] # those with a stem have
    return audio


def make(
    parent: Path,
    entries: Sequence[f.Entry] = ENTRIES,
    *,
    name: str = "take",
    finish: bool = True,
) -> Path:
    """Write a recording; its folder."""
    folder = RecordingFolder.create(parent, name, HEADER)
    folder.append(entries, audio_for(entries, HEADER))
    if finish:
        folder.finish()
    else:
        folder.abandon()
    return folder.path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def same_audio(recording: Recording, audio: dict[str, list[np.ndarray]]) -> bool:
    found = {f"heard-{speaker}": pcm for speaker, pcm in recording.heard.items()}
    found |= {"synthesized": recording.synthesized, "spoken": recording.spoken}
    expected = {stem: np.concatenate(pieces) for stem, pieces in audio.items()}
    silent = np.zeros(0, np.int16)
    return all(
        np.array_equal(found.get(stem, silent), expected.get(stem, silent))
        for stem in found.keys() | expected.keys()
    )


# --- any values ------------------------------------------------------------------

# Also half surrogate pairs, line separators and NUL.
texts = st.text(st.characters(exclude_categories=()), max_size=8)
numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=5,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 20),
    str: texts,
    float: numbers,
    type(None): st.none(),
    dict[str, Any]: st.dictionaries(texts, json_values, max_size=3),
    dict[str, str]: st.dictionaries(texts, texts, max_size=3),
    f.How: st.sampled_from(get_args(f.How)),
    tuple[int, int]: st.tuples(st.integers(0, 99), st.integers(0, 99)),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that a recording has."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    if attrs.has(kind):
        hints = get_type_hints(kind).items()
        return st.builds(kind, **{name: values(hint) for name, hint in hints})
    return st.one_of([values(part) for part in get_args(kind)])


def _in_order(entries: list[f.Entry]) -> list[f.Entry]:
    return sorted(entries, key=lambda entry: entry.t)


takes = st.lists(
    st.one_of([values(cls) for cls in f.KINDS.values() if cls is not f.Ended]),
    max_size=12,
).map(_in_order)
headers = st.builds(
    attrs.evolve,
    values(f.Header),
    recording=st.just(f.VERSION),
    vad_frame_samples=st.integers(1, 1024),
    synthesizer_rate_hz=st.sampled_from([8_000, 16_000, 22_050, 24_000, 44_100]),
    room_rate_hz=st.sampled_from([16_000, 44_100, 48_000]),
    ears=st.lists(values(f.Ear), max_size=2, unique_by=lambda ear: ear.speaker).map(
        tuple
    ),
)
