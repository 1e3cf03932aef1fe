"""Where sherpa-onnx computes.

Asked for CUDA that it does not have, it says so on stderr and computes on the CPU. So
what it needs is looked for first: a sherpa-onnx built for CUDA, a driver and a GPU.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Literal

from trioagent.errors import ProviderUnavailable

CUDA_HINT = (
    "Install NVIDIA's driver and a sherpa-onnx built for CUDA, as"
    " k2-fsa.github.io/sherpa/onnx/cuda.html says, or set device = "
    '"cpu" in [asr.sherpa].'
)
CUDA_LIBRARY = "*onnxruntime_providers_cuda*"
DRIVERS = ("libcuda.so.1", "nvcuda.dll")

Device = Literal["cpu", "cuda"]


def choose_device(wanted: str) -> Device:
    """Return where to compute; "auto" is a GPU where that is possible.

    Raises:
        ProviderUnavailable: "cuda" was asked for; says what is missing.
    """
    if wanted == "cpu":
        return "cpu"
    missing = missing_for_cuda()
    if missing is None:
        return "cuda"
    if wanted == "cuda":
        raise ProviderUnavailable(f"sherpa: no CUDA: {missing}", hint=CUDA_HINT)
    return "cpu"


def missing_for_cuda() -> str | None:
    """What CUDA lacks here, or None. Its own libraries (cuDNN) are not looked for."""
    spec = importlib.util.find_spec("sherpa_onnx")
    folders = (spec.submodule_search_locations if spec else None) or []
    if not any(any(Path(folder).rglob(CUDA_LIBRARY)) for folder in folders):
        return "the installed sherpa-onnx is built for the CPU alone"
    driver = next(filter(None, map(_load, DRIVERS)), None)
    if driver is None:
        return "there is no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return "the NVIDIA driver cannot be used"
    return None if count.value else "the NVIDIA driver finds no GPU"


def _load(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
