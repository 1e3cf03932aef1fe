"""The catalogue, and how a configuration's name becomes a folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.helpers_file_server import file_server
from tests.helpers_models import FILES, content_of, model_of, tar_of
from trioagent.cli import main
from trioagent.errors import ConfigError, ProviderUnavailable
from trioagent.models import ModelsFolder, models_folder, resolve
from trioagent.models.catalogue import CATALOGUE, find, get
from trioagent.models.entry import NOT_PINNED, PUBLISHED, Model, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [model.name for model in CATALOGUE]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelsFolder:
    monkeypatch.setenv("TRIOAGENT_MODELS", str(tmp_path / "models"))
    return ModelsFolder(tmp_path / "models")


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- the catalogue


def test_names_are_different_and_can_be_typed() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in NAMES)


@pytest.mark.parametrize("model", CATALOGUE, ids=NAMES)
def test_an_entry_is_whole(model: Model) -> None:
    assert model.sources
    assert model.purpose
    assert model.licence
    assert model.needs
    assert model.unpacked_bytes > 0
    config = tomllib.loads(model.config)[model.kind]
    assert config["provider"] == model.provider
    assert model.name in {
        config.get("model"),
        config.get(model.provider, {}).get("model"),
    }


@pytest.mark.parametrize("model", CATALOGUE, ids=NAMES)
def test_a_source_can_be_fetched_and_kept(model: Model) -> None:
    downloads = {ModelsFolder(Path("/m")).download_of(model, s) for s in model.sources}
    assert len(downloads) == len(model.sources)
    for source in model.sources:
        assert urlsplit(source.url).scheme == "https"
        assert source.size_bytes > 0
        assert source.path or source.file_name.endswith(".tar.bz2")
        assert not source.path.startswith(("/", "."))
        assert not source.sha256 or re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_no_checksum_stands_for_two_files() -> None:
    sums = [s.sha256 for model in CATALOGUE for s in model.sources if s.sha256]
    assert len(set(sums)) == len(sums)


def test_what_nobody_pinned_says_so() -> None:
    states = {model.name: model.checksum for model in CATALOGUE}
    assert states["luxtts"] == states["kokoro-multi"] == NOT_PINNED
    assert states["nemotron-en-160ms"] == PUBLISHED


def test_an_unknown_name_is_told_its_neighbours() -> None:
    assert find("nemotron") is None
    with pytest.raises(ConfigError, match='"nemotron-en-160"') as caught:
        get("nemotron-en-160")
    assert "nemotron-en-160ms" in caught.value.hint


# --- resolving


def test_the_folder_is_the_users_own_or_the_named_one(tmp_path: Path) -> None:
    assert models_folder({"TRIOAGENT_MODELS": str(tmp_path)}).root == tmp_path
    assert models_folder({}).root.parts[-2:] == ("trioagent", "models")


def test_a_name_that_was_pulled_is_its_folder(folder: ModelsFolder) -> None:
    folder.of("kitten-en").mkdir(parents=True)
    assert resolve("kitten-en") == folder.root / "kitten-en"
    assert main(["models", "path", "kitten-en"]) == 0


def test_a_folder_put_there_by_hand_needs_no_catalogue(folder: ModelsFolder) -> None:
    folder.of("my-own").mkdir(parents=True)
    assert resolve("my-own") == folder.root / "my-own"


def test_a_name_that_was_not_pulled_says_how(folder: ModelsFolder) -> None:
    with pytest.raises(ProviderUnavailable, match=str(folder.root)) as caught:
        resolve("kitten-en")
    assert caught.value.hint == "trioagent models pull kitten-en"


def test_a_path_stays_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ModelsFolder(tmp_path / "models")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve(str(tmp_path / "here"), folder) == tmp_path / "here"
    assert resolve("./here", folder) == Path("here")
    assert resolve("here", folder) == Path("here")
    assert resolve("~/here", folder) == tmp_path / "here"


@pytest.mark.parametrize("name", ["kitten-en", "/nowhere/kitten", "~/nowhere"])
def test_what_is_not_there_is_unavailable(folder: ModelsFolder, name: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        resolve(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["", "kiten-en"])
def test_what_cannot_be_meant_is_an_error_of_the_configuration(
    folder: ModelsFolder, name: str
) -> None:
    with pytest.raises(ConfigError, match=r"no model|neither") as caught:
        resolve(name)
    assert "trioagent models list" in caught.value.hint


def test_a_damaged_model_is_not_loaded(folder: ModelsFolder) -> None:
    place = folder.of("kitten-en")
    place.mkdir(parents=True)
    (place / ".trioagent-model.json").write_text('{"files": {"model.onnx": 3}}')
    with pytest.raises(ProviderUnavailable, match=r"model\.onnx is missing") as caught:
        resolve("kitten-en")
    assert caught.value.hint == "trioagent models pull kitten-en --again"
    (place / "model.onnx").write_bytes(b"abc")
    assert resolve("kitten-en") == place


# --- the command


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model of a local server, instead of the catalogue."""
    with file_server(tar_of(FILES)) as server:
        source = Source(f"{server.url}/tiny.tar.bz2", len(server.data))
        model = model_of(source)
        monkeypatch.setattr("trioagent.cli.models.CATALOGUE", (model,))
        monkeypatch.setattr("trioagent.cli.models.get", lambda name: model)
        yield model


@pytest.mark.usefixtures("folder")
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json", "--kind", "asr"]) == 0
    rows = said(capsys)
    assert [row["name"] for row in rows] == [
        m.name for m in CATALOGUE if m.kind == "asr"
    ]
    assert all(row["state"] == "" and row["licence"] for row in rows)
    assert main(["models", "list", "luxtts"]) == 0
    text = capsys.readouterr().out
    assert "not pinned yet" in text
    assert "vocoder/vocos.bin" in text
    assert '    provider = "luxtts"' in text


def test_pull_then_path(
    folder: ModelsFolder, tiny: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "tiny"]) == 2
    assert "--trust-first" in capsys.readouterr().err
    assert main(["models", "pull", "tiny", "--trust-first", "--json"]) == 0
    row = said(capsys)[0]
    assert row["outcome"] == "pulled"
    assert list(row["trusted"]) == [tiny.sources[0].url]
    assert main(["models", "pull", "tiny"]) == 0
    assert "was there" in capsys.readouterr().out
    assert main(["models", "path", "tiny"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == folder.of("tiny")
    assert len(content_of(path)) == 2
    assert main(["models", "list", "--json"]) == 0
    assert said(capsys)[0]["state"] == "here"


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_pulled_ends_with_its_status(
    tiny: Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = model_of(Source(tiny.sources[0].url, 99, "0" * 64))
    monkeypatch.setattr("trioagent.cli.models.get", lambda name: gone)
    assert main(["models", "pull", "tiny"]) == 1
    assert "not 99" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_path_of_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "kitten-en"]) == 1
    assert "trioagent models pull kitten-en" in capsys.readouterr().err


def test_nothing_heavy_is_imported_to_resolve() -> None:
    """Providers import it: it must be cheap."""
    code = "import sys, trioagent.models; print({'httpx', 'rich'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout.strip() == b"set()"
