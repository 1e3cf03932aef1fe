"""What nvidia-smi prints, and a program that prints it in nvidia-smi's place."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

T1000 = "0, GPU-aa11, NVIDIA T1000 8GB, 8192, 7782, 7.5, [N/A]\n"
TWO_CARDS = (
    "0, GPU-aa11, NVIDIA GeForce RTX 3090, 24576, 1024, 8.6, [N/A]\n"
    "1, GPU-bb22, NVIDIA GeForce RTX 3060, 12288, 12000, 8.6, [N/A]\n"
)
MIG = "0, GPU-cc33, NVIDIA A100-SXM4-40GB, 40960, 40100, 8.0, Enabled\n"
MIG_FORBIDDEN = (
    "0, GPU-cc33, NVIDIA A100-SXM4-80GB, [Insufficient Permissions], "
    "[Insufficient Permissions], 8.0, Enabled\n"
)
MIG_LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-cc33)
  MIG 3g.20gb     Device  0: (UUID: MIG-11aa)
  MIG 1g.5gb+me   Device  1: (UUID: MIG-22bb)
"""
SHARED_MEMORY = "0, GPU-dd44, NVIDIA GB10, [N/A], [N/A], 12.1, [N/A]\n"
PROCESSES = (
    "GPU-aa11, 4242, VLLM::EngineCore, 5120\n"
    "GPU-aa11, 77, /usr/lib/xorg/Xorg, 120\n"
    "GPU-aa11, 78, [Not Found], [N/A]\n"
)
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n"
)
OLD_DRIVER = 'Field "compute_cap" is not a valid field to query.\n'


def put(
    folder: Path,
    gpus: str,
    *,
    processes: str = "",
    listing: str = "",
    status: int = 0,
    first: str = "",
) -> dict[str, str]:
    """Write a program that prints these; return an environment in which it is found.

    `first` is a line of shell before all else.
    """
    program = folder / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        f"{first}\n"
        'case "$1" in\n'
        f"--query-gpu=*) printf %s {shlex.quote(gpus)}; exit {status};;\n"
        f"--query-compute-apps=*) printf %s {shlex.quote(processes)};;\n"
        f"-L) printf %s {shlex.quote(listing)};;\n"
        "esac\n"
    )
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}
