"""LuxTTS, loaded. All of this blocks, and belongs into one thread.

LuxTTS keeps state of the running call in its objects: one call at a time.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from providers.tts.luxtts import INSTALL_HINT
from providers.tts.luxtts_prompts import PromptCache
from providers.tts.reference_voice import load_reference
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.models import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.tts.clause_speaker import Sink
    from providers.tts.luxtts import Options
    from providers.tts.reference_voice import ReferenceVoice

_log = logging.getLogger(__name__)

_GUIDANCE_SCALE = 3.0
_TIME_SHIFT = 0.5
_FIRST_WORD = "Hello."
_MEMORY_HINT = (
    "free memory on the GPU (nvidia-smi shows who has it), or set device in"
    ' [tts.luxtts] to "cpu"'
)


class Engine:
    """The model and the encoded recording.

    Raises:
        ProviderUnavailable: the package, the device or the recording is unfit.
        ProviderError: the model cannot be loaded, or cannot speak.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        # It fails fast, and without the minutes that the model may take to come.
        reference = load_reference(options.reference_wav, "tts.luxtts")
        # Names on the hub have a "/"; without one it is in the catalogue.
        model = options.model if "/" in options.model else str(resolve(options.model))
        lux_tts = _imported()
        self.device = _device(options.device)
        with _translated("cannot be loaded"), _prints_on_stderr():
            self._tts = lux_tts(model, device=self.device, threads=options.threads)
        with _translated(f"cannot take in {reference.path}"), _prints_on_stderr():
            self._prompt = self._encoded(reference)
        _stop_between_steps(self._tts.model)
        # The first run allocates and compiles; the first reply shall not wait for it.
        self.speak(_FIRST_WORD, lambda _samples: True)

    def speak(self, clause: str, sink: Sink) -> None:
        """Make `clause` into speech, all of it, then give it to `sink`.

        In a worker thread whose caller has gone, it ends before the next step.

        Raises:
            ProviderError: it failed, maybe for lack of memory.
        """
        with _translated("failed to speak"):
            wave = self._tts.generate_speech(
                clause,
                self._prompt,
                num_steps=self._options.num_steps,
                guidance_scale=_GUIDANCE_SCALE,
                t_shift=_TIME_SHIFT,
                speed=self._options.speed,
            )
            samples = np.asarray(wave.numpy(), np.float32).reshape(-1)
        sink(samples)

    def _encoded(self, reference: ReferenceVoice) -> Any:  # noqa: ANN401 - no types
        length_s = self._options.reference_s
        cache = PromptCache(self._options.cache_folder)
        # Another model transcribes the recording on each kind of device.
        name = f"{reference.digest}-{length_s:g}s-{self.device}"
        if (known := cache.get(name, self.device)) is not None:
            return known
        prompt = self._tts.encode_prompt(str(reference.path), duration=length_s)
        cache.put(name, prompt)
        return prompt


def _imported() -> Any:  # noqa: ANN401 - zipvoice has no types
    try:
        return import_module("zipvoice.luxvoice").LuxTTS
    except (ImportError, AttributeError) as error:
        message = f"luxtts: LuxTTS cannot be imported: {error}"
        raise ProviderUnavailable(message, hint=INSTALL_HINT) from error


def _device(wanted: str) -> str:
    """The device's name; asked for CUDA, LuxTTS would quietly take what there is."""
    if wanted == "cpu":
        return "cpu"
    try:
        has_cuda = bool(import_module("torch").cuda.is_available())
    except ImportError:
        has_cuda = False
    if wanted == "cuda" and not has_cuda:
        raise ProviderUnavailable(
            "luxtts: there is no CUDA device that torch can use",
            hint='set device in [tts.luxtts] to "auto" or "cpu", or install a torch'
            " built for this machine's CUDA",
        )
    return "cuda" if has_cuda else "cpu"


def _stop_between_steps(model: Any) -> None:  # noqa: ANN401 - of zipvoice
    """Have the flow end before its next step when nobody waits for it any more."""
    if hasattr(model, "run_fm_decoder"):  # ONNX, on the CPU
        run_step = model.run_fm_decoder

        def run_if_wanted(*args: object, **kwargs: object) -> object:
            _end_if_abandoned()
            return run_step(*args, **kwargs)

        model.run_fm_decoder = run_if_wanted
    elif hasattr(model, "fm_decoder"):  # torch

        def before_step(_module: object, _args: object) -> None:
            _end_if_abandoned()

        model.fm_decoder.register_forward_pre_hook(before_step)
    else:
        _log.warning("luxtts: unknown version: a cancelled clause is made to its end")


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:  # torch, onnxruntime, the hub: classes of all kinds
        raise _our_error(what, error) from error


def _our_error(what: str, error: Exception) -> ProviderError:
    is_cuda = type(error).__name__ == "OutOfMemoryError"
    if is_cuda or "out of memory" in str(error).lower():
        _give_memory_back()
        message = f"luxtts: LuxTTS {what}: the GPU is out of memory"
        return ProviderError(message, hint=_MEMORY_HINT)
    return ProviderError(
        f"luxtts: LuxTTS {what}: {str(error) or type(error).__name__}",
        hint="docs/voices.md says what it needs",
    )


def _give_memory_back() -> None:
    """Torch keeps what the failed call had taken, for itself."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _prints_on_stderr() -> Iterator[None]:
    """LuxTTS prints as it loads; stdout may be for a program."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
