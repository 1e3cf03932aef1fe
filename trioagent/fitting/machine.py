"""What this machine has: cores, load, builds of libraries, sizes of models."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from trioagent.errors import TrioagentError
from trioagent.fitting.needs import Installed
from trioagent.fitting.parameters import MIB
from trioagent.fitting.threads import Cores, quota, usable_cores
from trioagent.models.resolving import resolve

CONTROL_GROUP = Path("/sys/fs/cgroup/cpu.max")


def read_cores(*, server_beside: bool) -> Cores:
    """The cores of this process, and what else is busy on them.

    A model server beside us, with no card to compute on, is left half of them.
    """
    try:
        affinity = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        affinity = os.cpu_count() or 1
    try:
        allowed = quota(CONTROL_GROUP.read_text())
    except OSError:
        allowed = None
    count = usable_cores(affinity, allowed)
    return Cores(count, _load(), count // 2 if server_beside else 0)


def read_installed(*, card: bool) -> Installed:
    """Which of the libraries here can compute on a card, by their versions."""
    torch = _version("torch")
    return Installed(
        card=card,
        # The index of PyTorch marks builds without CUDA.
        torch_cuda=bool(torch) and "+cpu" not in torch,
        # The makers of sherpa-onnx mark those with it.
        sherpa_cuda="cuda" in _version("sherpa-onnx"),
        model_mib=model_mib,
    )


def model_mib(name: str) -> int | None:
    """How large the ONNX files of a model are; None if it is not there."""
    try:
        folder = resolve(name)
        sizes = [file.stat().st_size for file in folder.glob("*.onnx")]
    except (TrioagentError, OSError):
        return None
    return round(sum(sizes) / MIB) if sizes else None


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on every system
        return 0.0


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
