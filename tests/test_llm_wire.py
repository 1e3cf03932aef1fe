"""Bodies as different servers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.http_words import error_message
from providers.llm import chat_wire
from providers.llm.chat_wire import Chunk, WireError
from trioagent.interfaces import Message

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "no key", "type": "x"}}', "no key"),
        ('{"error": "model not found"}', "model not found"),
        ('{"object": "error", "message": "too long"}', "too long"),
        ('{"detail": "Not Found"}', "Not Found"),
        ('{"detail": [{"loc": 1}]}', '[{"loc": 1}]'),
        ("<html>\n  Bad   Gateway", "<html> Bad Gateway"),
        ("", ""),
        ("x" * 400, "x" * 300 + "…"),
        ("[" * 99_999, "[" * 300 + "…"),
    ],
)
def test_error_messages(body: str, message: str) -> None:
    assert error_message(body) == message


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('{"data": [{"id": "a"}, {"id": "b"}]}', ["a", "b"]),
        ('{"data": [{"name": "a"}, 7, {"id": ""}]}', []),
        ('{"models": []}', []),
        ("[]", []),
        ("<html>", []),
        ("[" * 99_999, []),
    ],
)
def test_model_names(body: str, names: list[str]) -> None:
    assert chat_wire.model_names(body) == names


@pytest.mark.parametrize(
    ("choice", "chunk"),
    [
        ({"delta": {"content": "a"}, "finish_reason": None}, Chunk("a")),
        ({"delta": {"content": "a"}, "finish_reason": ""}, Chunk("a")),
        (
            {"delta": {"content": "a"}, "finish_reason": "length"},
            Chunk("a", is_last=True),
        ),
        ({"delta": None, "finish_reason": "stop"}, Chunk(is_last=True)),
        ({"delta": {"content": None, "reasoning": "hm"}}, Chunk(is_thought=True)),
    ],
)
def test_chunks(choice: dict[str, Any], chunk: Chunk) -> None:
    assert chat_wire.read_chunk(json.dumps({"choices": [choice]})) == chunk


def read_or_refuse(data: str) -> str | None:
    try:
        return chat_wire.read_chunk(data).text
    except WireError:
        return None


@given(st.text() | JSON.map(json.dumps))
def test_garbage_is_refused_or_says_nothing(data: str) -> None:
    assert not read_or_refuse(data)


@given(st.lists(JSON), JSON)
def test_garbage_in_choices(choices: list[Any], delta: Any) -> None:
    for some in (choices, [{"delta": delta}], [{"delta": {"content": delta}}]):
        said = read_or_refuse(json.dumps({"choices": some}))
        assert not said or said == delta


def test_an_error_keeps_what_was_sent() -> None:
    with pytest.raises(WireError, match="failed") as caught:
        chat_wire.read_chunk('{"error": "OOM"}')
    assert caught.value.data == '{"error": "OOM"}'


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_message_can_be_sent(content: str) -> None:
    body = chat_wire.request_body([Message("user", content)], {}, {})
    assert json.dumps(body, ensure_ascii=False).encode()
