"""Models small enough for tests, and archives of all kinds, good and bad."""

from __future__ import annotations

import io
import random
import tarfile
from typing import TYPE_CHECKING

from trioagent.models.entry import Model, Source
from trioagent.models.folder import ModelsFolder
from trioagent.models.http import Patience
from trioagent.models.pull import Puller

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = random.Random(1).randbytes(300_000)
FILES = {"tiny/encoder.onnx": WEIGHTS, "tiny/data/tokens.txt": b"<blk> 0\n"}
IMPATIENT = Patience(
    connect_s=5, read_s=0.4, first_wait_s=0, longest_wait_s=0, attempts=3
)


def tar_of(files: dict[str, bytes], kind: str = "bz2") -> bytes:
    return tar_with(
        [(tarfile.TarInfo(name), data) for name, data in files.items()], kind
    )


def tar_with(members: list[tuple[tarfile.TarInfo, bytes]], kind: str = "bz2") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as tar:
        for info, data in members:
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def model_of(*sources: Source, name: str = "tiny", unpacked: int = 400_000) -> Model:
    return Model(
        name=name,
        kind="asr",
        provider="sherpa",
        purpose="tests",
        licence="none",
        needs="nothing",
        unpacked_bytes=unpacked,
        sources=sources,
        config=f'[asr]\nmodel = "{name}"\n',
    )


def puller(root: Path, **kwargs: object) -> Puller:
    given = {"report": lambda what, done, total: None, "patience": IMPATIENT} | kwargs
    return Puller(ModelsFolder(root), **given)  # type: ignore[arg-type]


def content_of(folder: Path) -> dict[str, bytes]:
    """All plain files that are not ours, by their path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".trioagent")
    }
