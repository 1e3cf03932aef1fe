"""Cards from what nvidia-smi prints, also where it does not tell, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests import helpers_nvidia_smi as smi
from trioagent.fitting import nvidia_smi
from trioagent.fitting.cards import (
    parse_cards,
    parse_processes,
    visible,
    with_processes,
    with_slices,
)
from trioagent.fitting.nvidia_smi import read_cards, trouble, usable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_card_is_read() -> None:
    (card,) = parse_cards(smi.T1000)
    assert (card.name, card.uuid) == ("NVIDIA T1000 8GB", "GPU-aa11")
    assert (card.total_mib, card.free_mib, card.used_mib) == (8192, 7782, 410)
    assert card.capability == 7.5
    assert not card.partitioned


def test_what_is_not_told_is_not_known() -> None:
    (card,) = parse_cards(smi.SHARED_MEMORY)
    assert (card.total_mib, card.used_mib) == (None, None)
    (card,) = parse_cards(smi.MIG_FORBIDDEN)
    assert (card.total_mib, card.used_mib) == (None, None)


@pytest.mark.parametrize("text", ["", smi.NO_DRIVER, smi.OLD_DRIVER, "a,b\n", "\n\n"])
def test_other_lines_are_no_cards(text: str) -> None:
    assert parse_cards(text) == ()


def test_processes_belong_to_their_cards() -> None:
    found = parse_processes(smi.PROCESSES)
    assert [(p.pid, p.name, p.used_mib) for p in found] == [
        (4242, "VLLM::EngineCore", 5120),
        (77, "Xorg", 120),
        (78, "[Not Found]", None),
    ]
    first, second = with_processes(parse_cards(smi.TWO_CARDS), found)
    assert first.processes == found
    assert second.processes == ()
    assert parse_processes("No running processes found\n") == ()


def test_a_partitioned_card_is_its_instances() -> None:
    slices = with_slices(parse_cards(smi.MIG), smi.MIG_LISTING)
    assert [(s.uuid, s.total_mib, s.free_mib, s.partitioned) for s in slices] == [
        ("MIG-11aa", 20 * 1024, None, False),
        ("MIG-22bb", 5 * 1024, None, False),
    ]
    assert "MIG 3g.20gb" in slices[0].name
    # Their sizes are known even where the card's own is not told.
    forbidden = with_slices(parse_cards(smi.MIG_FORBIDDEN), smi.MIG_LISTING)
    assert [s.total_mib for s in forbidden] == [20 * 1024, 5 * 1024]
    # Others stay as they are.
    assert with_slices(parse_cards(smi.T1000), smi.MIG_LISTING)[0].total_mib == 8192


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        (None, [0, 1]),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("GPU-bb", [1]),
        ("", []),
        ("-1", []),
        ("0,7,1", [0]),
    ],
)
def test_hidden_cards_are_left_out(value: str | None, indexes: list[int]) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert [c.index for c in visible(parse_cards(smi.TWO_CARDS), environ)] == indexes


def test_mig_without_an_instance_can_be_used_for_nothing() -> None:
    found = usable(parse_cards(smi.MIG), {})
    assert not found.cards
    assert found.broken
    assert "mig -cgi" in found.hint


@pytest.mark.parametrize(
    ("status", "text", "broken", "told"),
    [
        (6, "No devices were found\n", False, "finds no card"),
        (0, "", False, "finds no card"),
        (9, smi.NO_DRIVER, True, "communicate"),
        (4, "Failed to initialize NVML: Insufficient Permissions", True, "status 4"),
        (18, "Failed to initialize NVML: Driver/library version mismatch", True, "18"),
        (255, "Failed to initialize NVML: Unknown Error", True, "Unknown"),
    ],
)
def test_troubles_are_told_apart(
    status: int, text: str, broken: bool, told: str
) -> None:
    found = trouble(status, text)
    assert told in found.reason
    assert found.broken is broken
    assert bool(found.hint) is broken


# The program


async def test_all_is_asked(tmp_path: Path) -> None:
    environ = smi.put(tmp_path, smi.T1000, processes=smi.PROCESSES)
    found = await read_cards(environ)
    assert found.reason == ""
    (card,) = found.cards
    assert (card.total_mib, len(card.processes)) == (8192, 3)


async def test_mig_is_read_from_the_listing(tmp_path: Path) -> None:
    environ = smi.put(tmp_path, smi.MIG_FORBIDDEN, listing=smi.MIG_LISTING)
    found = await read_cards(environ)
    assert [card.uuid for card in found.cards] == ["MIG-11aa", "MIG-22bb"]
    hidden = await read_cards({**environ, "CUDA_VISIBLE_DEVICES": "MIG-22bb"})
    assert [card.uuid for card in hidden.cards] == ["MIG-22bb"]


async def test_an_old_driver_is_asked_for_less(tmp_path: Path) -> None:
    refuses = (
        f"case \"$1\" in *compute_cap*) echo '{smi.OLD_DRIVER.strip()}'; exit 2;; esac"
    )
    environ = smi.put(tmp_path, "0, GPU-aa11, Tesla K80, 11441, 11000\n", first=refuses)
    (card,) = (await read_cards(environ)).cards
    assert (card.name, card.total_mib, card.capability) == ("Tesla K80", 11441, None)


async def test_no_program_is_no_card(tmp_path: Path) -> None:
    found = await read_cards({"PATH": str(tmp_path)})
    assert found.reason == "nvidia-smi is not installed"
    assert not found.broken


async def test_a_program_that_may_not_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("no program")
    found = await read_cards({"PATH": str(tmp_path)})
    assert found.broken
    assert "nvidia-smi cannot be run" in found.reason


async def test_a_failing_program_is_named(tmp_path: Path) -> None:
    found = await read_cards(smi.put(tmp_path, smi.NO_DRIVER, status=9))
    assert found.broken
    assert "exit status 9" in found.reason


async def test_a_program_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia_smi, "LIMIT_S", 0.3)
    environ = smi.put(tmp_path, smi.T1000, first="exec sleep 60")
    with trio.fail_after(10):
        found = await read_cards(environ)
    assert found.broken
    assert "did not answer" in found.reason
