"""From a name to an unpacked model.

Everything is prepared in a folder of its own and then renamed into place, so that a
model is there whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import attrs

from trioagent.models.download import Download, Report
from trioagent.models.entry import Model, Source
from trioagent.models.errors import ModelError
from trioagent.models.folder import MANIFEST, ModelsFolder
from trioagent.models.http import Patience, client
from trioagent.models.lock import locked
from trioagent.models.part import Part
from trioagent.models.trust import expected, remember, sha256_of
from trioagent.models.unpack import Limits, Unpacking

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPARE = 1.05
"""File systems need more than the files have."""
_SOME_BYTES = 10_000_000
_MARGIN = 2
"""An archive may unpack to so many times what the catalogue says."""


@attrs.frozen
class Pulled:
    """What came of it."""

    model: Model
    path: Path
    outcome: Literal["pulled", "was there"]
    trusted: dict[str, str] = attrs.field(factory=dict)
    """Checksums by address that nobody knew before and that were accepted now."""


@attrs.frozen
class Puller:
    """Pulls models into a folder. Blocks. `report` is called from the same thread."""

    folder: ModelsFolder
    report: Report
    patience: Patience = attrs.Factory(Patience)

    def pull(
        self, model: Model, *, trust_first: bool = False, again: bool = False
    ) -> Pulled:
        """Make sure that the model is there; with `again`, replace what is there.

        Raises:
            ModelError: it cannot be had. What was there is still there, and what was
                downloaded is gone on with the next time.
            ConfigError: a checksum is not known, and `trust_first` is not set.
        """
        place = self.folder.of(model.name)
        with locked(self.folder.lock_of(model)), self._translated(model):
            there = place.is_dir() and not self.folder.damage(model.name)
            if there and not again:
                return Pulled(model, place, "was there")
            return self._replace(model, trust_first=trust_first)

    def _replace(self, model: Model, *, trust_first: bool) -> Pulled:
        trusted, place = self.folder.trusted_of(model), self.folder.of(model.name)
        sums = expected(model, trusted, trust_first=trust_first)
        wholes = [self.folder.download_of(model, s) for s in model.sources]
        ours = [whole for whole in wholes if not whole.exists()]
        self._clean(model)
        self._check_space(model)
        found = {source: self._fetch(model, source, sums[source]) for source in sums}
        new = {s.url: sha256 for s, sha256 in found.items() if sums[s] is None}
        with self._staged(model, ours) as staged:
            self._unpack(model, found, staged)
            if new:
                remember(trusted, new)
            _swap(staged, place)
        for whole in wholes:
            whole.unlink()
        return Pulled(model, place, "pulled", new)

    def _check_space(self, model: Model) -> None:
        missing = 0
        for source in model.sources:
            whole = self.folder.download_of(model, source)
            if not whole.exists():
                missing += max(0, source.size_bytes - Part(whole).size)
        needed = int((missing + model.unpacked_bytes) * _SPARE)
        free = shutil.disk_usage(self.folder.root).free
        if free < needed:
            raise ModelError(
                f"{model.name} needs {megabytes(needed)} in {self.folder.root}, where "
                f"{megabytes(free)} are free",
                hint="Make room, or let TRIOAGENT_MODELS name a folder elsewhere.",
            )

    def _fetch(self, model: Model, source: Source, sha256: str | None) -> str:
        """Have a source whole; its checksum."""
        whole = self.folder.download_of(model, source)
        by_hand = whole.exists()
        part = Part(whole)
        path = whole if by_hand else part.path
        if not by_hand:
            download = Download(source, part, self.patience, self.report)
            with closing(client(self.patience)) as http:
                download.run(http)
        actual = sha256_of(path, partial(self.report, f"checking {source.file_name}"))
        if sha256 not in {None, actual}:
            self._refuse(source, path, f"its SHA-256 is {actual}, not {sha256}")
        if not by_hand:
            part.complete()
        return actual

    def _refuse(self, source: Source, path: Path, reason: str) -> NoReturn:
        whole = path.suffix != ".part"
        if not whole:
            Part(path.with_suffix("")).discard()
        raise ModelError(
            f"{path if whole else source.url} is not what it was: {reason}",
            hint=f"Delete {path}, and pull again."
            if whole
            else "It was replaced or tampered with. If its publisher says that it was "
            f"replaced, see {self.folder.root / 'trusted'} and docs/models.md.",
        )

    @contextmanager
    def _staged(self, model: Model, ours: list[Path]) -> Iterator[Path]:
        """A new folder beside the others, which is gone when the block ends."""
        # No name has an "@": what we clean up is no other model's.
        prefix = f".{model.name}@"
        staged = Path(tempfile.mkdtemp(prefix=prefix, dir=self.folder.root))
        try:
            yield staged
        except ModelError:
            # The same download would fail again.
            for whole in ours:
                whole.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _clean(self, model: Model) -> None:
        """Remove what a killed pull left behind. We hold the lock: nobody uses it."""
        for left in self.folder.root.glob(f".{model.name}@*"):
            shutil.rmtree(left, ignore_errors=True)

    def _unpack(self, model: Model, found: dict[Source, str], staged: Path) -> None:
        for source in found:
            whole = self.folder.download_of(model, source)
            if source.path:
                place = staged / source.path
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole, place)
            else:
                self._unpack_archive(model, source, whole, staged)
        files = {
            str(path.relative_to(staged)): path.stat().st_size
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
        origins = {source.url: sha256 for source, sha256 in found.items()}
        manifest = {"model": model.name, "sha256": origins, "files": files}
        text = json.dumps(manifest, indent=1) + "\n"
        (staged / MANIFEST).write_text(text, encoding="utf-8")
        staged.chmod(0o755)

    def _unpack_archive(
        self, model: Model, source: Source, whole: Path, staged: Path
    ) -> None:
        into = staged / ".archive"
        into.mkdir()
        limits = Limits(_MARGIN * model.unpacked_bytes + _SOME_BYTES)
        what = f"unpacking {source.file_name}"
        Unpacking(whole, into, limits, partial(self.report, what)).run()
        content = list(into.iterdir())
        # Most archives have all in one folder.
        if len(content) == 1 and content[0].is_dir():
            content[0].rename(staged / ".content")
            into.rmdir()
            into = staged / ".content"
        for path in into.iterdir():
            path.rename(staged / path.name)
        into.rmdir()

    @contextmanager
    def _translated(self, model: Model) -> Iterator[None]:
        try:
            yield
        except ModelError as error:
            if error.hint:
                raise
            raise ModelError(error.message, hint=self._by_hand(model)) from error
        except OSError as error:
            raise ModelError(
                f"{error.filename or self.folder.root}: {error.strerror or error}",
                hint=f"Make sure that {self.folder.root} can be written to and has "
                "room.",
            ) from error

    def _by_hand(self, model: Model) -> str:
        """What to do without us."""
        missing = [
            f"  {source.url}\n    to {whole}"
            for source in model.sources
            if not (whole := self.folder.download_of(model, source)).exists()
        ]
        return (
            "What is there is kept, so try again later. Without a network here, "
            "download elsewhere and copy\n" + "\n".join(missing) + "\n  and pull again."
        )


def _swap(staged: Path, place: Path) -> None:
    """Put the new folder in the place of the old one."""
    old = staged.with_name(staged.name + ".old")
    with suppress(FileNotFoundError):
        place.rename(old)
    try:
        staged.rename(place)
    except OSError:
        with suppress(FileNotFoundError):
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def megabytes(size_bytes: int) -> str:
    """A size to read."""
    if size_bytes < 1e9:
        return f"{size_bytes / 1e6:,.0f} MB"
    return f"{size_bytes / 1e9:.2f} GB"
