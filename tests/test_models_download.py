"""Downloads from servers that behave as servers do."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import attrs
import pytest

from tests import helpers_file_server as behaviour
from tests.helpers_file_server import FileServer, file_server
from tests.helpers_models import FILES, content_of, model_of, puller, tar_of
from trioagent.models.entry import Model, Source
from trioagent.models.errors import ModelError
from trioagent.models.http import check_schemes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trioagent.models.pull import Pulled

ARCHIVE = tar_of(FILES)
WANTED = {name.removeprefix("tiny/"): data for name, data in FILES.items()}
OTHER = tar_of({"tiny/encoder.onnx": ARCHIVE[:200_000] + bytes(7)})


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(ARCHIVE) as files:
        yield files


def pinned(server: FileServer) -> Model:
    source = Source(f"{server.url}/tiny.tar.bz2", len(server.data), server.sha256)
    return model_of(source)


def unpinned(server: FileServer) -> Model:
    return model_of(Source(f"{server.url}/tiny.tar.bz2", len(server.data)))


def pull(server: FileServer, root: Path, *, trust: bool = False) -> Pulled:
    model = unpinned(server) if trust else pinned(server)
    return puller(root).pull(model, trust_first=trust)


def ranges(server: FileServer) -> list[str | None]:
    return [asked for _, asked in server.asked]


def parts(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "downloads").iterdir())


def test_what_is_pulled_is_what_was_packed(server: FileServer, tmp_path: Path) -> None:
    pulled = pull(server, tmp_path)
    assert pulled.outcome == "pulled"
    assert content_of(pulled.path) == WANTED
    assert parts(tmp_path) == []
    assert pull(server, tmp_path).outcome == "was there"
    assert len(server.asked) == 1


def test_a_connection_that_breaks_off_is_gone_on_with(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend(behaviour.break_off(100_000) for _ in range(2))
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]


def test_attempts_that_bring_something_do_not_count(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend(behaviour.break_off(40_000) for _ in range(6))
    assert content_of(pull(server, tmp_path).path) == WANTED


def test_a_server_that_ignores_range_sends_all_again(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([behaviour.break_off(100_000), behaviour.ignore_range])
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, "bytes=100000-"]


def test_a_file_that_changes_between_two_parts_is_begun_anew(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend(
        [behaviour.break_off(100_000), behaviour.changed_to(OTHER, '"2"')]
    )
    pulled = pull(server, tmp_path, trust=True)
    assert content_of(pulled.path) == {"encoder.onnx": ARCHIVE[:200_000] + bytes(7)}


@pytest.mark.parametrize("etag", ['"2"', '"1"'])
def test_parts_of_two_files_are_never_put_together(
    server: FileServer, tmp_path: Path, etag: str
) -> None:
    """By their ETag or by their length; the server did not tell."""
    server.script.extend(
        [behaviour.break_off(100_000), behaviour.changed_silently(OTHER, etag)]
    )
    pulled = pull(server, tmp_path, trust=True)
    assert content_of(pulled.path) == {"encoder.onnx": ARCHIVE[:200_000] + bytes(7)}
    assert ranges(server) == [None, "bytes=100000-", None]


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_strong_validator_nothing_is_resumed(
    server: FileServer, tmp_path: Path, etag: str
) -> None:
    server.etag = etag
    server.script.append(behaviour.break_off(100_000))
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, None]


def test_a_range_that_the_server_does_not_have_is_begun_anew(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([behaviour.break_off(100_000), behaviour.status(416)])
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, "bytes=100000-", None]


def test_a_length_that_is_too_long_is_a_connection_that_broke_off(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.append(behaviour.claim_length(len(ARCHIVE) + 9))
    pulled = pull(server, tmp_path, trust=True)
    assert content_of(pulled.path) == WANTED


@pytest.mark.parametrize("difference", [-9, 9])
def test_a_length_that_is_not_the_catalogues_ends_it_at_once(
    server: FileServer, tmp_path: Path, difference: int
) -> None:
    server.script.append(behaviour.claim_length(len(ARCHIVE) + difference))
    with pytest.raises(ModelError, match="replaced, or this is something else"):
        pull(server, tmp_path)
    assert len(server.asked) == 1


def test_a_length_that_is_too_short_does_not_pass_as_the_archive(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.append(behaviour.claim_length(len(ARCHIVE) - 9))
    with pytest.raises(ModelError, match="cannot be unpacked"):
        pull(server, tmp_path, trust=True)
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / "trusted").exists()


def test_a_body_without_a_length_is_taken(server: FileServer, tmp_path: Path) -> None:
    server.script.append(behaviour.without_length)
    assert content_of(pull(server, tmp_path).path) == WANTED


@pytest.mark.parametrize("trust", [False, True])
def test_a_body_without_an_end_is_not(
    server: FileServer, tmp_path: Path, trust: bool
) -> None:
    server.script.append(behaviour.without_end)
    with pytest.raises(ModelError, match=r"more than \d+ bytes"):
        pull(server, tmp_path, trust=trust)
    assert parts(tmp_path) == []


def test_wrong_bytes_are_refused_and_thrown_away(
    server: FileServer, tmp_path: Path
) -> None:
    model = pinned(server)
    server.data = bytes(len(ARCHIVE))
    with pytest.raises(
        ModelError, match="is not what it was: its SHA-256 is"
    ) as caught:
        puller(tmp_path).pull(model)
    assert server.url in caught.value.message
    assert parts(tmp_path) == []
    assert not (tmp_path / "tiny").exists()


def test_redirects_are_followed(server: FileServer, tmp_path: Path) -> None:
    server.script.extend(
        [
            behaviour.redirect_to(f"{server.url}/elsewhere"),
            behaviour.break_off(100_000),
            behaviour.redirect_to(f"{server.url}/elsewhere"),
        ]
    )
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert server.asked[-1] == ("/elsewhere", "bytes=100000-")


def test_redirects_in_a_circle_are_not(server: FileServer, tmp_path: Path) -> None:
    server.script.extend(behaviour.redirect_to(server.url) for _ in range(40))
    with pytest.raises(ModelError, match="redirects"):
        pull(server, tmp_path)


def test_a_redirect_may_not_leave_tls() -> None:
    check_schemes(["https://a/1", "https://b/2"])
    check_schemes(["http://a/1", "http://b/2"])
    with pytest.raises(ModelError, match="http://b/2, which is not protected"):
        check_schemes(["https://a/1", "http://b/2"])


@pytest.mark.parametrize("code", [403, 404, 410])
def test_no_is_no(server: FileServer, tmp_path: Path, code: int) -> None:
    server.script.append(behaviour.status(code))
    with pytest.raises(ModelError, match=f"answered {code}") as caught:
        pull(server, tmp_path)
    assert len(server.asked) == 1
    # What to fetch by hand, and where to put it.
    assert f"{server.url}/tiny.tar.bz2" in caught.value.hint
    assert str(tmp_path / "downloads" / "tiny--tiny.tar.bz2") in caught.value.hint


@pytest.mark.parametrize("code", [429, 500, 503])
def test_later_is_asked_again(server: FileServer, tmp_path: Path, code: int) -> None:
    server.script.extend([behaviour.status(code)] * 2)
    assert content_of(pull(server, tmp_path).path) == WANTED


def test_later_is_not_asked_for_ever(server: FileServer, tmp_path: Path) -> None:
    server.script.extend([behaviour.status(500)] * 20)
    with pytest.raises(ModelError, match="answered 500"):
        pull(server, tmp_path)
    assert len(server.asked) == 3


def test_a_server_that_stalls_is_left_and_asked_for_the_rest(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.append(behaviour.stall(100_000))
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, "bytes=100000-"]


def test_nobody_there_says_what_to_fetch_by_hand(tmp_path: Path) -> None:
    with file_server(ARCHIVE) as server:
        model = pinned(server)
    with pytest.raises(ModelError, match="refused") as caught:
        puller(tmp_path).pull(model)
    assert "copy" in caught.value.hint
    assert model.sources[0].url in caught.value.hint


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C means what it does in a terminal, also for a job in the background."""
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, was)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_a_part_to_go_on_from(server: FileServer, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if done >= 150_000:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        puller(tmp_path, report=interrupt).pull(pinned(server))
    assert parts(tmp_path) == [
        "tiny--tiny.tar.bz2.part",
        "tiny--tiny.tar.bz2.part.json",
    ]
    there = (tmp_path / "downloads" / "tiny--tiny.tar.bz2.part").stat().st_size
    assert content_of(pull(server, tmp_path).path) == WANTED
    assert ranges(server) == [None, f"bytes={there}-"]


def test_a_part_of_another_address_is_not_used(
    server: FileServer, tmp_path: Path
) -> None:
    server.script.extend([behaviour.break_off(100_000), behaviour.status(404)])
    with pytest.raises(ModelError):
        pull(server, tmp_path)
    moved = attrs.evolve(
        pinned(server),
        sources=(
            attrs.evolve(
                pinned(server).sources[0], url=f"{server.url}/v2/tiny.tar.bz2"
            ),
        ),
    )
    assert content_of(puller(tmp_path).pull(moved).path) == WANTED
    assert server.asked[-1] == ("/v2/tiny.tar.bz2", None)


def test_progress_goes_up_to_the_whole(server: FileServer, tmp_path: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def report(what: str, done: int, total: int) -> None:
        seen.setdefault(what, []).append((done, total))

    puller(tmp_path, report=report).pull(pinned(server))
    download, check, _ = seen.values()
    assert download == sorted(download)
    assert download[-1] == check[-1] == (len(ARCHIVE), len(ARCHIVE))
