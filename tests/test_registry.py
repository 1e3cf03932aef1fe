"""Providers by name: the installed ones, and packages made up in a folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from trioagent.errors import ConfigError
from trioagent.plugins import Provider
from trioagent.registry import provider, provider_names

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, name: str, entry: str, source: str) -> None:
    """Lay out a package with one VAD provider as an installer would."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n")
    (info / "entry_points.txt").write_text(f"[trioagent.vad]\n{entry}\n")
    (folder / f"{name}_module.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_provider_is_imported_when_it_is_asked_for(site: Path) -> None:
    install(
        site,
        "lazy",
        "lazy = lazy_module:PROVIDER",
        "from trioagent.plugins import Provider\nPROVIDER = Provider(dict, dict)\n",
    )
    assert "lazy" in provider_names("vad")
    assert "lazy_module" not in sys.modules
    assert isinstance(provider("vad", "lazy"), Provider)


def test_names_are_sorted_and_belong_to_their_kind() -> None:
    assert provider_names("vad") == tuple(sorted(provider_names("vad")))
    assert {"silero", "rms"} <= set(provider_names("vad"))
    assert {"sherpa", "pocketsphinx"} <= set(provider_names("asr"))
    assert "sherpa" not in provider_names("vad")


def test_the_shipped_vad_is_a_provider() -> None:
    assert provider("vad", "rms").options().threshold > 0


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError) as caught:
        provider("asr", "shepra")
    assert str(caught.value).startswith(
        'no asr provider is called "shepra"; did you mean "sherpa"?'
    )
    for name in ("pocketsphinx", "sherpa"):
        assert name in caught.value.hint


def test_a_failing_import_names_package_and_error(site: Path) -> None:
    install(site, "torn", "torn = torn_module:PROVIDER", "import no_such_thing_here\n")
    with pytest.raises(ConfigError) as caught:
        provider("vad", "torn")
    assert caught.value.message == (
        'the vad provider "torn" (torn_module:PROVIDER, package torn) cannot be '
        "imported: ModuleNotFoundError: No module named 'no_such_thing_here'"
    )
    assert "silero" in caught.value.hint


def test_a_missing_attribute_is_an_import_error_too(site: Path) -> None:
    install(site, "hollow", "hollow = hollow_module:PROVIDER", "")
    with pytest.raises(ConfigError, match=r"AttributeError: .*PROVIDER"):
        provider("vad", "hollow")


def test_what_is_no_provider_is_refused(site: Path) -> None:
    install(site, "odd", "odd = odd_module:PROVIDER", "PROVIDER = 5\n")
    with pytest.raises(ConfigError, match=r"package odd\) is no .*Provider but a int"):
        provider("vad", "odd")


def test_one_name_from_two_packages_is_refused(site: Path) -> None:
    for package in ("first", "second"):
        install(site, package, f"twin = {package}_module:PROVIDER", "PROVIDER = 5\n")
    with pytest.raises(ConfigError, match="package first and package second"):
        provider("vad", "twin")
