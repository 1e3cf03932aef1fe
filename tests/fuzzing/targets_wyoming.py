"""What Wyoming servers and clients send."""

from __future__ import annotations

import json
import math

import trio

from providers.wyoming.hypothesis import Hypothesis
from providers.wyoming.incoming import Incoming
from providers.wyoming.link import _abilities, check_name
from tests.fuzzing.feeding import pieces
from tests.fuzzing.target import Target
from trioagent.errors import ConfigError, ProviderError
from trioagent.interfaces import Speech
from trioagent.serving.audio import AudioFormat, Intake
from trioagent.serving.inbox import Refused
from trioagent.serving.info import recognizer_info, synthesizer_info
from trioagent.serving.synthesis import _Requests
from trioagent.wyoming.address import Address, parse_address
from trioagent.wyoming.framing import BadFrame, Decoder, Event, encode

_FORMAT = {"rate": 16_000, "width": 2, "channels": 1}
_ADDRESS = Address(host="server", port=1)
_TOKENS = (
    *(b'"type":', b'"data":', b'"data_length":', b'"payload_length":', b'"rate":'),
    *(
        b'"text":',
        b"4194304",
        b"4194305",
        b"16777216",
        b"true",
        b"\n{",
        b'"transcript"',
    ),
)


def _seeds() -> list[bytes]:
    spoken = [
        Event("audio-start", _FORMAT),
        Event("audio-chunk", _FORMAT, bytes(64)),
        Event("audio-stop"),
    ]
    heard = [
        Event("transcript-start"),
        Event("transcript-chunk", {"text": "hel", "hypothesis": "hello"}),
        Event("transcript", {"text": "hello"}),
    ]
    asked = [
        Event("synthesize-start"),
        Event("synthesize-chunk", {"text": "Hello there. "}),
        Event("synthesize-stop"),
        Event("synthesize", {"text": "Hello.", "voice": {"name": "x"}}),
    ]
    told = [recognizer_info("model", ["en"]), synthesizer_info("voice", ["en", "de"])]
    streams = [b"".join(map(encode, events)) for events in (spoken, heard, asked, told)]
    inline = {"type": "ping", "data": {"text": "x"}, "payload_length": 3}
    return [*streams, json.dumps(inline).encode() + b"\nabc", encode(told[0])]


def _events(data: bytes) -> list[Event]:
    decoder, events = Decoder(), []
    for piece in pieces(data):
        decoder.feed(piece)
        while (event := decoder.next()) is not None:
            events.append(event)
            encode(event)
    return events


def _as_client(data: bytes) -> None:
    """What a server's events mean to us."""
    send, receive = trio.open_memory_channel[Speech](math.inf)
    hypothesis, incoming = Hypothesis(), Incoming(send, 0)
    with send, receive:
        for event in _events(data):
            hypothesis.take(event)
            if event.type == "audio-start":
                incoming.begins(event)
            elif event.type == "audio-chunk":
                incoming.take(event.payload)
            elif event.type == "info":
                for service in ("asr", "tts"):
                    _told(event, service)  # type: ignore[arg-type] # both are


def _told(event: Event, service: str) -> None:
    try:
        abilities = _abilities(_ADDRESS, event.data, service, pongs=True)  # type: ignore[arg-type] # as above
        check_name(_ADDRESS, abilities, "model")
    except ProviderError as error:
        error.message.encode("utf-8", "surrogatepass")


def _as_server(data: bytes) -> None:
    """What a client's events mean to us."""
    requests, intake = _Requests(20_000), None
    for event in _events(data):
        requests.take(event)
        if event.type == "audio-start":
            intake = Intake(AudioFormat.of(event.data))
        elif event.type == "audio-chunk" and intake is not None:
            intake.take(event.payload)
        elif event.type == "audio-stop" and intake is not None:
            intake.finish()


def _address(data: bytes) -> None:
    address = parse_address(data.decode(errors="replace"))
    assert parse_address(str(address)) == address, "it is read as another"
    assert isinstance(address.is_local, bool), address


TARGETS = (
    Target("wyoming.frames", _events, _seeds, (BadFrame,), _TOKENS, is_json=True),
    Target(
        *("wyoming.client", _as_client, _seeds, (BadFrame, ProviderError), _TOKENS),
        is_json=True,
    ),
    Target(
        *("wyoming.server", _as_server, _seeds, (BadFrame, Refused), _TOKENS),
        is_json=True,
    ),
    Target(
        "wyoming.address",
        _address,
        lambda: [b"tcp://host:10300", b"unix:///run/x.sock", b"tcp://[::1]:1/"],
        (ConfigError,),
        tokens=(
            b"tcp://",
            b"unix:///",
            b"[::1]",
            b"@",
            b":",
            b"%25",
            b"?",
            b"#",
            b"//",
        ),
    ),
)
