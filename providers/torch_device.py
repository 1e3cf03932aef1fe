"""Which device and number format a torch model gets. Imports torch only when asked."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from trioagent.errors import ProviderUnavailable

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "float16", "bfloat16"]


def chosen_device(device: Device) -> str:
    """Return "cpu" or "cuda".

    Raises:
        ProviderUnavailable: "cuda" is asked for and not there.
    """
    torch: Any = importlib.import_module("torch")
    there = bool(torch.cuda.is_available())
    if device == "cuda" and not there:
        built = torch.version.cuda or "no CUDA"
        raise ProviderUnavailable(
            f"torch {torch.__version__} finds no CUDA device (built for {built})",
            hint='set device = "cpu", or install a torch that fits the driver',
        )
    return "cuda" if there and device != "cpu" else "cpu"


def chosen_dtype(dtype: Dtype, device: str) -> str:
    """Name torch's dtype: half the size on a GPU that computes in it."""
    if dtype != "auto":
        return dtype
    torch: Any = importlib.import_module("torch")
    if device == "cuda" and torch.cuda.is_bf16_supported():
        return "bfloat16"
    return "float32"
