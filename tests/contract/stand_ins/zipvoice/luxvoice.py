"""The class of LuxTTS with its calling structure, and tones for weights.

As there, a sentence is `num_steps` calls of the flow's decoder, by keyword, then one of
the vocoder; the decoder is a method of an ONNX model or a module of torch.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

RATE_HZ = 48_000
CHARACTER_S = 0.02
PROMPT_RATE_HZ = 24_000


@attrs.define(eq=False)
class Behaviour:
    """What the next LuxTTS does, and what it was asked so far.

    Attributes:
        step_s: How long a step of the decoder takes.
        module: The decoder is a module of torch, or like one.
        load_error, prompt_error, step_error: Raised there; `step_error` only after the
            first sentence.
    """

    step_s: float = 0.0
    module: bool = False
    load_error: Exception | None = None
    prompt_error: Exception | None = None
    step_error: Exception | None = None
    loaded: list[dict[str, Any]] = attrs.field(factory=list)
    prompts: list[str] = attrs.field(factory=list)
    sentences: list[str] = attrs.field(factory=list)
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        time.sleep(self.step_s)
        if self.step_error is not None and len(self.sentences) > 1:
            raise self.step_error


behaviour = Behaviour()


class OnnxModel:
    """As LuxTTS has it on the CPU."""

    def run_fm_decoder(self, t: float, x: np.ndarray, **_conditions: object) -> float:
        behaviour.step()
        return t


class PlainModule:
    """What is used of torch.nn.Module, where torch is not installed."""

    def __init__(self) -> None:
        self._hooks: list[Callable[[object, tuple[object, ...]], None]] = []

    def register_forward_pre_hook(
        self, hook: Callable[[object, tuple[object, ...]], None]
    ) -> None:
        self._hooks.append(hook)

    def __call__(self, *inputs: object, **conditions: object) -> object:
        for hook in self._hooks:
            hook(self, inputs)
        return self.forward(*inputs, **conditions)


def module_model() -> Any:
    """As LuxTTS has it on a GPU: a module with a module `fm_decoder`."""
    is_there = find_spec("torch") is not None
    module = import_module("torch").nn.Module if is_there else PlainModule

    class Decoder(module):
        def forward(self, t: float, x: object, **_conditions: object) -> float:
            behaviour.step()
            return t

    class Model(module):
        def __init__(self) -> None:
            super().__init__()
            self.fm_decoder = Decoder()

    return Model()


class Wave:
    """What is used of a torch tensor."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples

    def numpy(self) -> np.ndarray:
        return self._samples


class LuxTTS:
    def __init__(
        self,
        model_path: str = "YatharthS/LuxTTS",
        device: str = "cuda",
        threads: int = 4,
    ) -> None:
        behaviour.loaded.append({"model_path": model_path, "device": device})
        sys.stdout.write("Loading model on CPU\n")
        if behaviour.load_error is not None:
            raise behaviour.load_error
        self.model = module_model() if behaviour.module else OnnxModel()
        self.device = device

    def encode_prompt(
        self, prompt_audio: str, duration: float = 5, rms: float = 0.001
    ) -> dict[str, Any]:
        behaviour.prompts.append(prompt_audio)
        sys.stdout.write("what was said in the recording\n")
        if behaviour.prompt_error is not None:
            raise behaviour.prompt_error
        return {"prompt_tokens": [[1, 2]], "prompt_rms": rms, "duration": duration}

    def generate_speech(
        self,
        text: str,
        encode_dict: dict[str, Any],
        num_steps: int = 4,
        guidance_scale: float = 3.0,
        t_shift: float = 0.5,
        speed: float = 1.0,
        return_smooth: bool = False,
    ) -> Wave:
        assert encode_dict["prompt_tokens"] == [[1, 2]]
        behaviour.sentences.append(text)
        noise = np.zeros(1)
        for step in range(num_steps):
            at = step / num_steps
            if behaviour.module:
                self.model.fm_decoder(t=at, x=noise, guidance_scale=guidance_scale)
            else:
                self.model.run_fm_decoder(t=at, x=noise, guidance_scale=guidance_scale)
        time_s = np.arange(round(CHARACTER_S * RATE_HZ / speed)) / RATE_HZ
        tones = [
            0.3 * np.sin(2 * np.pi * (200 + 10 * (ord(character) % 100)) * time_s)
            for character in text
        ]
        return Wave(np.concatenate(tones, dtype=np.float32)[np.newaxis])
