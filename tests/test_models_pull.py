"""What a pull leaves behind: a whole model, or what there was before."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sherpa_onnx

from tests import helpers_file_server as behaviour
from tests.helpers_file_server import FileServer, file_server
from tests.helpers_models import FILES, WEIGHTS, content_of, model_of, puller, tar_of
from trioagent.errors import ConfigError
from trioagent.models.entry import Model, Source
from trioagent.models.errors import ModelError
from trioagent.models.folder import MANIFEST, ModelsFolder
from trioagent.models.resolving import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVE = tar_of(FILES)
OTHER = tar_of({"tiny/encoder.onnx": b"other"})
WANTED = {name.removeprefix("tiny/"): data for name, data in FILES.items()}


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(ARCHIVE) as files:
        yield files


def model(server: FileServer, *, pinned: bool = True) -> Model:
    sha256 = server.sha256 if pinned else ""
    return model_of(Source(f"{server.url}/tiny.tar.bz2", len(server.data), sha256))


def hidden(root: Path) -> list[Path]:
    """What is left of the work."""
    return [path for path in root.iterdir() if path.name.startswith(".tiny")]


def test_without_a_checksum_nothing_is_downloaded(
    server: FileServer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="checksum") as caught:
        puller(tmp_path).pull(model(server, pinned=False))
    assert "trioagent models pull tiny --trust-first" in caught.value.hint
    assert server.asked == []


def test_what_was_trusted_first_must_stay_the_same(
    server: FileServer, tmp_path: Path
) -> None:
    unpinned = model(server, pinned=False)
    first = puller(tmp_path).pull(unpinned, trust_first=True)
    assert first.trusted == {unpinned.sources[0].url: server.sha256}
    # Known from now on: the same needs no flag.
    again = puller(tmp_path).pull(unpinned, again=True)
    assert (again.outcome, again.trusted) == ("pulled", {})
    server.data, server.etag = OTHER, '"2"'
    for trust_first in (False, True):
        with pytest.raises(ModelError, match="is not what it was"):
            puller(tmp_path).pull(unpinned, again=True, trust_first=trust_first)
    assert content_of(tmp_path / "tiny") == WANTED


def test_a_broken_list_of_trusted_checksums_is_not_ignored(
    server: FileServer, tmp_path: Path
) -> None:
    unpinned = model(server, pinned=False)
    puller(tmp_path).pull(unpinned, trust_first=True)
    (tmp_path / "trusted" / "tiny.json").write_text('{"url": ')
    with pytest.raises(ModelError, match=r"tiny\.json.*cannot be read"):
        puller(tmp_path).pull(unpinned, again=True, trust_first=True)


def test_the_new_replaces_the_old_only_when_it_is_whole(
    server: FileServer, tmp_path: Path
) -> None:
    old = puller(tmp_path).pull(model(server)).path
    (old / "mine.txt").write_text("kept until then")
    server.script.append(behaviour.status(404))
    with pytest.raises(ModelError):
        puller(tmp_path).pull(model(server), again=True)
    assert (old / "mine.txt").exists()
    server.data, server.etag = OTHER, '"2"'
    new = puller(tmp_path).pull(model(server), again=True).path
    assert content_of(new) == {"encoder.onnx": b"other"}
    assert hidden(tmp_path) == []


def test_a_bad_archive_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.data = tar_of({"a": b"1", "../evil": b"2"})
    with pytest.raises(ModelError, match="evil"):
        puller(tmp_path).pull(model(server, pinned=False), trust_first=True)
    assert hidden(tmp_path) == []
    assert list((tmp_path / "downloads").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".locks", "downloads"]


def test_an_archive_may_not_unpack_to_much_more_than_the_catalogue_says(
    server: FileServer, tmp_path: Path
) -> None:
    server.data = tar_of({"weights": WEIGHTS * 40}, "gz")
    source = Source(f"{server.url}/tiny.tar.bz2", len(server.data), server.sha256)
    with pytest.raises(ModelError, match="unpacks to more than 10200000 bytes"):
        puller(tmp_path).pull(model_of(source, unpacked=100_000))


def test_a_model_of_several_files(server: FileServer, tmp_path: Path) -> None:
    plain = Source(
        f"{server.url}/voc.onnx", len(ARCHIVE), server.sha256, path="vocoder/voc.onnx"
    )
    archive = Source(f"{server.url}/tiny.tar.bz2", len(ARCHIVE), server.sha256)
    pulled = puller(tmp_path).pull(model_of(archive, plain))
    assert content_of(pulled.path) == {**WANTED, "vocoder/voc.onnx": ARCHIVE}
    assert [path for path, _ in server.asked] == ["/tiny.tar.bz2", "/voc.onnx"]
    manifest = json.loads((pulled.path / MANIFEST).read_bytes())
    assert manifest["files"]["vocoder/voc.onnx"] == len(ARCHIVE)


def test_what_was_pulled_can_be_loaded(server: FileServer, tmp_path: Path) -> None:
    """A real model, packed as publishers do, from the address to the recognizer."""
    folder = Path(__file__).parent / "data/tiny-nemotron-160ms"
    files = {
        f"published-name/{path.name}": path.read_bytes() for path in folder.iterdir()
    }
    server.data = tar_of(files)
    source = Source(f"{server.url}/m.tar.bz2", len(server.data), server.sha256)
    puller(tmp_path).pull(model_of(source, unpacked=5_000_000))
    pulled = resolve("tiny", ModelsFolder(tmp_path))
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(pulled / "tokens.txt"),
        encoder=str(pulled / "encoder.onnx"),
        decoder=str(pulled / "decoder.onnx"),
        joiner=str(pulled / "joiner.onnx"),
    )
    assert recognizer.create_stream() is not None


def test_what_was_put_there_by_hand_is_used(server: FileServer, tmp_path: Path) -> None:
    place = tmp_path / "downloads" / "tiny--tiny.tar.bz2"
    place.parent.mkdir()
    place.write_bytes(ARCHIVE)
    assert content_of(puller(tmp_path).pull(model(server)).path) == WANTED
    assert server.asked == []


def test_what_was_put_there_by_hand_is_checked(
    server: FileServer, tmp_path: Path
) -> None:
    place = tmp_path / "downloads" / "tiny--tiny.tar.bz2"
    place.parent.mkdir()
    place.write_bytes(OTHER)
    with pytest.raises(ModelError, match="its SHA-256 is") as caught:
        puller(tmp_path).pull(model(server))
    assert str(place) in caught.value.message
    assert place.exists()


def test_a_damaged_model_is_pulled_again(server: FileServer, tmp_path: Path) -> None:
    path = puller(tmp_path).pull(model(server)).path
    (path / "encoder.onnx").write_bytes(b"cut off")
    assert "encoder.onnx has 7 bytes" in ModelsFolder(tmp_path).damage("tiny")
    assert puller(tmp_path).pull(model(server)).outcome == "pulled"
    assert content_of(path) == WANTED


def test_no_room_is_seen_before_anything_is_downloaded(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 500_000, 500_000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match=r"needs 1 MB in .* 0 MB are free") as caught:
        puller(tmp_path).pull(model(server))
    assert "TRIOAGENT_MODELS" in caught.value.hint
    assert server.asked == []


def test_a_full_disk_keeps_the_part(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(what: str, done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="No space left") as caught:
        puller(tmp_path, report=full).pull(model(server))
    assert "room" in caught.value.hint
    assert (tmp_path / "downloads" / "tiny--tiny.tar.bz2.part").exists()


def test_a_folder_that_cannot_be_written_to(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ModelError, match="cannot write") as caught:
        puller(tmp_path / "file").pull(model(server))
    assert "TRIOAGENT_MODELS" in caught.value.hint


def test_two_pulls_do_not_collide(server: FileServer, tmp_path: Path) -> None:
    holds, refused = threading.Event(), threading.Event()

    def report(what: str, done: int, total: int) -> None:
        holds.set()
        assert refused.wait(10)

    first = threading.Thread(
        target=puller(tmp_path, report=report).pull, args=[model(server)]
    )
    first.start()
    assert holds.wait(10)
    with pytest.raises(ModelError, match=r"is being pulled by process \d+"):
        puller(tmp_path).pull(model(server))
    refused.set()
    first.join()
    assert content_of(tmp_path / "tiny") == WANTED


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.helpers_models import model_of, puller
from trioagent.models.entry import Source

def report(what, done, total):
    if what.startswith("unpacking"):
        os.kill(os.getpid(), signal.SIGKILL)

source = Source(sys.argv[2], int(sys.argv[3]), sys.argv[4])
puller(Path(sys.argv[1]), report=report).pull(model_of(source))
"""


def test_a_pull_that_was_killed_holds_nobody_up(
    server: FileServer, tmp_path: Path
) -> None:
    source = model(server).sources[0]
    arguments = [str(tmp_path), source.url, str(source.size_bytes), source.sha256]
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(hidden(tmp_path)) == 1
    assert not (tmp_path / "tiny").exists()
    assert content_of(puller(tmp_path).pull(model(server)).path) == WANTED
    assert hidden(tmp_path) == []
    # The download was whole: it was not made again.
    assert len(server.asked) == 1
