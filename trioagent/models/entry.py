"""What the catalogue knows about a model. Values only."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import attrs

Kind = Literal["asr", "tts", "vad"]

NOT_PINNED = "not pinned yet"
PUBLISHED = "published"
SHERPA = "https://github.com/k2-fsa/sherpa-onnx/releases/download"


@attrs.frozen
class Source:
    """A file that a model is made of."""

    url: str
    size_bytes: int
    """Exact where there is a checksum, else about."""
    sha256: str = ""
    """Lower-case hexadecimal; empty: nobody here knows it."""
    path: str = ""
    """Where it goes in the model's folder; empty: it is an archive to unpack there."""

    @property
    def most_bytes(self) -> int:
        """How long it may be at most, whatever the server says."""
        return self.size_bytes if self.sha256 else 2 * self.size_bytes + 1_000_000

    @property
    def file_name(self) -> str:
        """The last part of its address."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]


@attrs.frozen(kw_only=True)
class Model:
    """A model that can be pulled by its name."""

    name: str
    kind: Kind
    provider: str
    """Which provider of this kind loads it."""
    purpose: str
    licence: str
    needs: str
    """Processor and memory, as far as anybody said."""
    unpacked_bytes: int
    """What the folder takes on the disk, about."""
    sources: tuple[Source, ...]
    config: str
    """The piece of a configuration that uses it."""

    @property
    def download_bytes(self) -> int:
        """What is downloaded, all sources together."""
        return sum(source.size_bytes for source in self.sources)

    @property
    def checksum(self) -> str:
        """`PUBLISHED` if each source has one; else `NOT_PINNED`."""
        pinned = all(source.sha256 for source in self.sources)
        return PUBLISHED if pinned else NOT_PINNED


def sherpa_archive(
    release: str, stem: str, size_bytes: int, sha256: str = ""
) -> Source:
    """An archive that the makers of sherpa-onnx publish."""
    return Source(f"{SHERPA}/{release}/{stem}.tar.bz2", size_bytes, sha256)
