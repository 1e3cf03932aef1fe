"""What each configured provider needs of a graphics card, and where that is known from.

Numbers come from the models catalogue, from files on the disk, or from a model's name;
each says which. A provider that is not in `NEEDS` is said to be unknown, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import attrs

from trioagent.fitting.parameters import weights_of
from trioagent.models.catalogue import find

if TYPE_CHECKING:
    from trioagent.registry import Kind

AnyOptions: TypeAlias = Any
"""Each provider has a class of its own."""
Place = Literal["cpu", "card", "server", "elsewhere", "unknown"]

PARTS: dict[Kind, str] = {
    "vad": "voice activity",
    "asr": "recognizer",
    "llm": "language model",
    "tts": "synthesizer",
}
LIBRARY_MIB = 384
"""Our allowance for CUDA's context and a library's buffers (torch, onnxruntime)."""
SERVER_MIB = 768
"""Our allowance for the same in a server, CUDA graphs and a short context included."""
FLOAT32_BITS = 32.0


@attrs.frozen
class Installed:
    """What there is to compute with.

    `model_mib` is how large the model's files are, or None: of a name or a folder.
    """

    card: bool
    torch_cuda: bool
    sherpa_cuda: bool
    model_mib: Callable[[str], int | None] = lambda _name: None


@attrs.frozen
class Need:
    """What one provider needs.

    Attributes:
        part: Which part of the agent it is.
        provider: Its name in the configuration.
        place: Where it computes: "server" is another program on this machine,
            "elsewhere" another machine.
        mib: Of the card's memory; None: not known.
        source: Where `mib` is known from.
        card: Which of the cards, counted as CUDA does.
        model: The model, where there is one to name.
        address: The server's.
    """

    part: str
    provider: str
    place: Place
    mib: int | None = None
    source: str = ""
    card: int = 0
    model: str = ""
    address: str = ""


def need_of(kind: Kind, name: str, options: AnyOptions, installed: Installed) -> Need:
    """What the provider `name` needs with these options."""
    know = NEEDS.get((kind, name))
    part = PARTS[kind]
    if know is None:
        return Need(
            part, name, "unknown", source="nothing is known about this provider"
        )
    return know(Need(part, name, "cpu"), options, installed)


def named_by_server(need: Need, told: str) -> Need:
    """The need of a server's model, once its name is known: "MODEL at URL"."""
    model, at, _ = told.partition(" at ")
    if need.place != "server" or need.model or not at:
        return need
    return _estimate(attrs.evolve(need, model=model), SERVER_MIB)


def on_this_machine(address: str) -> bool:
    """Whether a URL or a `tcp://` or `unix://` address is this machine's own."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    return (
        parts.scheme == "unix"
        or host in {"localhost", "::1"}
        or host.startswith("127.")
    )


# --- by provider -------------------------------------------------------------------


def _nothing(need: Need, _options: AnyOptions, _installed: Installed) -> Need:
    return attrs.evolve(need, mib=0)


def _sherpa_asr(need: Need, options: AnyOptions, installed: Installed) -> Need:
    need = attrs.evolve(need, model=options.model)
    device = options.device
    there = installed.card and installed.sherpa_cuda
    if device == "cpu" or (device == "auto" and not there):
        return attrs.evolve(need, mib=0)
    need = attrs.evolve(need, place="card")
    files_mib = installed.model_mib(options.model)
    if files_mib is None:
        return attrs.evolve(need, source="its model is not there to be measured")
    return attrs.evolve(
        need,
        mib=files_mib + LIBRARY_MIB,
        source=f"estimate: its files have {files_mib} MiB, and {LIBRARY_MIB} MiB "
        "for CUDA",
    )


def _torch_asr(need: Need, options: AnyOptions, installed: Installed) -> Need:
    need = attrs.evolve(
        need, model=options.model, card=getattr(options, "device_id", 0)
    )
    there = installed.card and installed.torch_cuda
    if options.device == "cpu" or (options.device == "auto" and not there):
        return attrs.evolve(need, mib=0)
    bits = FLOAT32_BITS if options.dtype == "float32" else None
    return _estimate(attrs.evolve(need, place="card"), LIBRARY_MIB, bits)


def _luxtts(need: Need, options: AnyOptions, installed: Installed) -> Need:
    need = attrs.evolve(need, model=options.model)
    there = installed.card and installed.torch_cuda
    if options.device == "cpu" or (options.device == "auto" and not there):
        return attrs.evolve(need, mib=0)
    need = attrs.evolve(need, place="card")
    entry = find("luxtts")
    told = re.search(r"GPU with ([\d.]+) GB", entry.needs) if entry else None
    if told is None:
        return attrs.evolve(need, source="the models catalogue names no memory for it")
    mib = round(float(told[1]) * 1024)
    return attrs.evolve(
        need, mib=mib, source="its authors say so, by the models catalogue"
    )


def _http(need: Need, options: AnyOptions, _installed: Installed) -> Need:
    need = attrs.evolve(need, model=options.model, address=options.base_url)
    if not on_this_machine(options.base_url):
        return attrs.evolve(need, place="elsewhere")
    return _estimate(attrs.evolve(need, place="server"), SERVER_MIB)


def _wyoming(need: Need, options: AnyOptions, _installed: Installed) -> Need:
    ours = next((uri for uri in options.uris if on_this_machine(uri)), "")
    if not ours:
        return attrs.evolve(need, place="elsewhere", address=", ".join(options.uris))
    source = "Wyoming servers do not tell what they need"
    return attrs.evolve(need, place="server", address=ours, source=source)


def _estimate(need: Need, extra_mib: int, bits: float | None = None) -> Need:
    weights = weights_of(need.model, bits)
    if weights is None:
        source = (
            f'"{need.model}" does not tell its size' if need.model else "no name yet"
        )
        return attrs.evolve(need, source=source)
    return attrs.evolve(
        need,
        mib=weights.mib + extra_mib,
        source=f"estimate: {weights.text}, and {extra_mib} MiB for CUDA and buffers",
    )


NEEDS: dict[tuple[Kind, str], Callable[[Need, AnyOptions, Installed], Need]] = {
    ("vad", "silero"): _nothing,
    ("vad", "rms"): _nothing,
    ("asr", "sherpa"): _sherpa_asr,
    ("asr", "nemo"): _torch_asr,
    ("asr", "nemotron-hf"): _torch_asr,
    ("asr", "pocketsphinx"): _nothing,
    ("asr", "qwen"): _http,
    ("asr", "wyoming"): _wyoming,
    ("llm", "echo"): _nothing,
    ("llm", "openai"): _http,
    ("tts", "espeak"): _nothing,
    ("tts", "sherpa"): _nothing,
    ("tts", "luxtts"): _luxtts,
    ("tts", "openai"): _http,
    ("tts", "wyoming"): _wyoming,
}
