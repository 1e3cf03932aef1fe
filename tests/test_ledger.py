"""The ledger on journals written by hand, and on any others.

Speech ends at 2.0 here; what a case waits for afterwards is written beside it.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.journal.events import Event
from trioagent.journal.latency import metrics
from trioagent.journal.ledger import WAITS, ledger

END = 2.0


def at(t: float, name: str, **data: object) -> Event:
    return Event(t, name, data)


def ended(t: float, last_speech: float = END) -> Event:
    return at(t, "speech_ended", cause="silence", last_speech=last_speech)


def final(t: float, text: str = "what is that") -> Event:
    return at(t, "final", text=text)


def begun(t: float, cause: str, text: str = "what is that", draft: int = 1) -> Event:
    return at(t, "draft_started", draft=draft, cause=cause, text=text)


def made(*times: float | None, draft: int = 1) -> list[Event]:
    """Token, phrase, first audio, enough audio: those that have a time."""
    token, phrase, audio, enough = times
    events = [
        (token, "llm_first_token", {}),
        (phrase, "phrase", {"text": "A bird."}),
        (audio, "tts_first_audio", {}),
        (enough, "buffered", {}),
    ]
    return [at(t, name, draft=draft, **data) for t, name, data in events if t]


def failed(t: float, **data: object) -> Event:
    return at(t, "provider_failed", error="gone", **data)


def heard(commit: float, floor: float, frame: float, draft: int = 1) -> list[Event]:
    return [
        at(commit, "committed", draft=draft),
        at(floor, "floor_taken"),
        at(frame, "first_frame", draft=draft),
    ]


def turn(*parts: Event | list[Event]) -> list[Event]:
    """In the order of their times; those of the same time as they are written."""
    lists = [[part] if isinstance(part, Event) else part for part in parts]
    return sorted(itertools.chain(*lists), key=lambda event: event.t)


PLAIN = [ended(2.2), final(2.25), begun(2.26, "final")]
CASES: dict[str, tuple[list[Event], dict[str, float]]] = {
    "nothing was early": (
        turn(PLAIN, made(2.56, 2.7, 2.8, 2.9), heard(2.26, 2.27, 2.92)),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 300, "first_phrase": 140, "synthesis": 100,
            "prebuffer": 100, "pacing": 20,
        },
    ),
    "a key was let go": (
        turn(
            ended(END), final(2.1), begun(2.1, "final"), made(2.4, 2.5, 2.6, 2.6),
            heard(2.1, 2.1, 2.6),
        ),
        {
            "recognizer_tail": 100, "llm_first_token": 300, "first_phrase": 100,
            "synthesis": 100,
        },
    ),
    "a pause's draft was ready before the words were final": (
        turn(
            at(2.12, "pause", text="what is that"), begun(2.13, "pause"), ended(2.3),
            made(2.2, 2.21, 2.3, 2.33), final(2.4), heard(2.41, 2.43, 2.46),
        ),
        {
            "endpoint_hold": 300, "recognizer_tail": 100, "agent_overhead": 10,
            "floor": 20, "pacing": 30,
        },
    ),
    "a pause's draft came last": (
        turn(
            at(2.12, "pause", text="what is that"), begun(2.13, "pause"), ended(2.3),
            final(2.4), made(2.5, 2.6, 2.7, 2.8), heard(2.41, 2.42, 2.8),
        ),
        {
            "endpoint_hold": 120, "agent_overhead": 10, "llm_first_token": 370,
            "first_phrase": 100, "synthesis": 100, "prebuffer": 100,
        },
    ),
    "the pause was told again, with newer words and then with a comma": (
        turn(
            at(1.2, "pause", text="what"), at(2.12, "pause", text="what is"),
            at(2.3, "pause", text="what is that"),
            at(2.35, "pause", text="what is that,"), begun(2.35, "pause"),
            ended(2.5), final(2.5), made(2.6, 2.6, 2.6, 2.6), heard(2.5, 2.5, 2.6),
        ),
        {
            "endpoint_hold": 120, "recognizer_tail": 180, "agent_overhead": 50,
            "llm_first_token": 250,
        },
    ),
    "a draft was begun while its speaker talked, and came last": (
        turn(
            at(1.1, "stable", text="what is that"), begun(1.1, "prefix"), ended(2.3),
            final(2.4), made(1.5, 1.6, 2.6, 2.7), heard(2.4, 2.4, 2.7),
        ),
        {"synthesis": 600, "prebuffer": 100},
    ),
    "a draft was begun while its speaker talked, and was there first": (
        turn(
            at(1.1, "stable", text="what is that"), begun(1.1, "prefix"), ended(2.3),
            final(2.4), made(1.5, 1.6, 1.7, 1.8), heard(2.4, 2.4, 2.41),
        ),
        {"endpoint_hold": 300, "recognizer_tail": 100, "pacing": 10},
    ),
    "a draft was begun on words that came late": (
        turn(
            at(2.12, "pause", text="what"), at(2.2, "partial", text="what is that"),
            at(2.2, "stable", text="what is that"), begun(2.2, "prefix"), ended(2.3),
            final(2.3), made(2.5, 2.5, 2.6, 2.6), heard(2.3, 2.3, 2.6),
        ),
        {
            "endpoint_hold": 120, "recognizer_tail": 80, "llm_first_token": 300,
            "synthesis": 100,
        },
    ),
    "a draft was begun on words that came late, without a pause": (
        turn(
            at(2.1, "stable", text="what is that"), begun(2.1, "prefix"), ended(2.1),
            final(2.1), made(2.5, 2.5, 2.5, 2.5), heard(2.1, 2.1, 2.5),
        ),
        {"recognizer_tail": 100, "llm_first_token": 400},
    ),
    "a draft was discarded": (
        turn(
            at(2.12, "pause", text="what"), begun(2.12, "pause", "what"),
            made(2.13, 2.14, 2.15, 2.16), ended(2.2), final(2.3),
            at(2.3, "draft_discarded", draft=1, tokens=3), begun(2.3, "final", draft=2),
            made(2.4, 2.5, 2.6, 2.7, draft=2), heard(2.3, 2.3, 2.7, draft=2),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 100, "llm_first_token": 100,
            "first_phrase": 100, "synthesis": 100, "prebuffer": 100,
        },
    ),
    "the speaker went on": (
        turn(
            ended(1.1, 1.0), final(1.1, "what"), begun(1.1, "final", "what"),
            made(1.2, 1.3, 1.4, 1.5), heard(1.1, 1.1, 0)[:2],
            at(1.45, "speech_resumed"), ended(2.2), final(2.3),
            begun(2.3, "final", draft=2), made(2.4, 2.4, 2.4, 2.4, draft=2),
            heard(2.3, 2.3, 2.4, draft=2),
        ),
        {"endpoint_hold": 200, "recognizer_tail": 100, "llm_first_token": 100},
    ),
    "the speaker went on without words, and the draft was kept": (
        turn(
            ended(1.1, 1.0), final(1.1), begun(1.1, "final"), made(1.2, 1.3, 1.4, 1.5),
            heard(1.1, 1.1, 0)[:2], at(1.45, "speech_resumed"), ended(2.2), final(2.3),
            heard(2.3, 2.4, 2.4),
        ),
        {"endpoint_hold": 200, "recognizer_tail": 100, "floor": 100},
    ),
    "the model failed before its first token": (
        turn(
            PLAIN, failed(2.5, draft=1), made(None, 2.5, 2.6, 2.6),
            heard(2.26, 2.26, 2.6),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 240, "synthesis": 100,
        },
    ),
    "the model failed after its first token": (
        turn(
            PLAIN, failed(2.5, draft=1), made(2.3, 2.5, 2.6, 2.6),
            heard(2.26, 2.26, 2.6),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 40, "first_phrase": 200, "synthesis": 100,
        },
    ),
    "the first phrase could not be spoken": (
        turn(
            PLAIN, made(2.3, 2.4, None, None), failed(2.5, draft=1),
            made(None, 2.6, 2.7, 2.7), heard(2.26, 2.26, 2.7),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 40, "first_phrase": 100, "synthesis": 300,
        },
    ),
    "the recognizer failed at the end": (
        turn(
            ended(2.2), failed(2.5), begun(2.51, "failure", "Sorry."),
            at(2.51, "floor_taken"), made(None, 2.52, 2.6, 2.6),
            at(2.6, "first_frame", draft=1),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 300, "agent_overhead": 10,
            "first_phrase": 10, "synthesis": 80,
        },
    ),
    "the recognizer failed, and somebody else was answered": (
        turn(
            ended(2.2), failed(2.5), begun(2.5, "failure", "Sorry."),
            made(None, 2.5, 2.6, 2.6), at(3.6, "floor_taken"),
            at(3.6, "first_frame", draft=1),
        ),
        {"endpoint_hold": 200, "recognizer_tail": 300, "synthesis": 100, "floor": 1000},
    ),
    "the recognizer failed when the speaker went on": (
        turn(
            ended(2.2), final(2.3), at(2.4, "speech_resumed"), failed(2.6),
            begun(2.6, "failure", "Sorry."), made(None, 2.6, 2.7, 2.7),
            at(2.6, "floor_taken"), at(2.7, "first_frame", draft=1),
        ),
        {"endpoint_hold": 200, "recognizer_tail": 400, "synthesis": 100},
    ),
    "somebody else was answered": (
        turn(PLAIN, made(2.3, 2.3, 2.3, 2.3), heard(2.4, 3.4, 3.41)),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 150,
            "floor": 1000, "pacing": 10,
        },
    ),
    "somebody else was answered, while the reply was made": (
        turn(PLAIN, made(2.4, 2.5, 2.6, 2.7), heard(2.26, 3.0, 3.0)),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 140, "first_phrase": 100, "synthesis": 100,
            "prebuffer": 100, "floor": 300,
        },
    ),
    "it held its breath before its first frame": (
        turn(
            PLAIN, made(2.3, 2.3, 2.3, 2.3), at(2.41, "ducked", by="Ben"),
            at(2.9, "restored"), heard(2.3, 2.4, 2.91),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 50,
            "floor": 600, "pacing": 10,
        },
    ),
    "it held its breath while it was made": (
        turn(
            PLAIN, at(2.31, "ducked", by="Ben"), made(2.4, 2.5, 2.6, 2.7),
            at(2.9, "restored"), heard(2.26, 2.3, 2.9),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 140, "first_phrase": 100, "synthesis": 100,
            "prebuffer": 100, "floor": 200,
        },
    ),
    "the start level rose": (
        turn(
            PLAIN, made(2.3, 2.3, 2.3, 2.4), made(None, None, None, 2.6),
            heard(2.3, 2.3, 2.6),
        ),
        {
            "endpoint_hold": 200, "recognizer_tail": 50, "agent_overhead": 10,
            "llm_first_token": 40, "prebuffer": 300,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_wait_is_charged_once(case: str) -> None:
    events, expected = CASES[case]
    later = [at(9.0, "underrun"), at(9.5, "last_frame", until=9.52)]
    charges = ledger([*events, *later])
    assert charges is not None
    assert tuple(charges) == WAITS
    whole = {wait: expected.get(wait.removesuffix("_ms"), 0) for wait in WAITS}
    assert charges == pytest.approx(whole, abs=1e-6)
    assert sum(charges.values()) == pytest.approx(metrics(events)["total_ttfa_ms"])


def test_the_whole_may_be_nothing() -> None:
    charges = ledger([ended(END), at(END, "first_frame", draft=1)])
    assert charges == dict.fromkeys(WAITS, 0.0)


@pytest.mark.parametrize("length", range(9))
def test_without_a_first_frame_there_is_no_ledger(length: int) -> None:
    events = CASES["nothing was early"][0]
    assert ledger(events[:length]) is None


def test_a_speaker_who_was_not_heard_to_the_end_waited_for_nothing() -> None:
    events = [e for e in CASES["nothing was early"][0] if e.name != "speech_ended"]
    assert ledger(events) is None
    assert metrics(events)["total_ttfa_ms"] is None


TEXTS = st.sampled_from(["what", "what is", "what is that"])
DRAFTS = st.integers(1, 3)
OF_A_DRAFT = ["llm_first_token", "tts_first_audio", "buffered", "committed"]
EVENTS = st.one_of(
    st.builds(lambda name, text: (name, {"text": text}),
        st.sampled_from(["partial", "stable", "pause", "final"]), TEXTS),
    st.builds(lambda name, draft: (name, {"draft": draft}),
        st.sampled_from([*OF_A_DRAFT, "provider_failed"]), DRAFTS),
    st.builds(lambda draft, text: ("phrase", {"draft": draft, "text": text}),
        DRAFTS, TEXTS),
    st.builds(
        lambda draft, cause, text: (
            "draft_started", {"draft": draft, "cause": cause, "text": text}
        ),
        DRAFTS, st.sampled_from(["final", "pause", "prefix", "failure"]), TEXTS),
    st.sampled_from(
        ["floor_taken", "ducked", "restored", "speech_resumed", "provider_failed"]
    ).map(lambda name: (name, {})),
    # So long before its event speech had ended.
    st.floats(0, 3).map(lambda ago: ("speech_ended", {"ago": ago})),
)  # fmt: skip


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    found = draw(st.lists(EVENTS, max_size=40))
    end = ("speech_ended", {"ago": draw(st.floats(0, 3))})
    found.insert(draw(st.integers(0, len(found))), end)
    found.append(("first_frame", {"draft": draw(DRAFTS)}))
    gaps = draw(
        st.lists(
            st.floats(0, 1) | st.just(0.0), min_size=len(found), max_size=len(found)
        )
    )
    events = []
    for t, (name, data) in zip(itertools.accumulate(gaps), found, strict=True):
        ago = data.get("ago")
        more = {} if ago is None else {"last_speech": max(0.0, t - ago)}
        events.append(Event(t, name, {**data, **more}))
    return events


@given(journals())
def test_the_charges_add_up_whatever_happened(events: list[Event]) -> None:
    charges = ledger(events)
    assert charges is not None
    assert all(charge >= 0 for charge in charges.values())
    ends = [e.data["last_speech"] for e in events if e.name == "speech_ended"]
    total_ms = (events[-1].t - ends[-1]) * 1000
    assert abs(sum(charges.values()) - total_ms) < 1e-6
