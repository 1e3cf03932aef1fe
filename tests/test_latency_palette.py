"""The colours are told apart by everybody: measured, not believed."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from trioagent.journal.ledger import WAITS as WRITTEN
from trioagent.latencies.definitions import WAITS
from trioagent.latencies.palette import (
    FILE_COLOURS,
    GROUNDS,
    WAIT_COLOURS,
    file_colour,
)

# Machado, Oliveira & Fernandes 2009, table 1, severity 1.0, on linear RGB.
EYES = {
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}
# Oklab: Ottosson 2020. A distance of 0.02 is about what can just be seen side by side.
TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def linear(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def seen(colour: str, eye: str) -> np.ndarray:
    rgb = np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_LMS) @ rgb)


def distance(a: str, b: str, eye: str) -> float:
    return float(np.linalg.norm(seen(a, eye) - seen(b, eye)))


def contrast(a: str, b: str) -> float:
    """WCAG 2's, 1 to 21."""
    weights = [0.2126, 0.7152, 0.0722]
    less, more = sorted(float(linear(c) @ weights) for c in (a, b))
    return (more + 0.05) / (less + 0.05)


def test_black_and_white_measure_as_known() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert distance("#000000", "#FFFFFF", "all") == pytest.approx(1, abs=1e-3)
    # What such eyes confuse, red and green of the same lightness.
    red, green = "#D04040", "#7A8A30"
    assert distance(red, green, "no green") < 0.3 * distance(red, green, "all")


@pytest.mark.parametrize("eye", EYES)
def test_any_two_waits_differ_and_neighbours_most(eye: str) -> None:
    colours = list(WAIT_COLOURS.values())
    assert min(distance(a, b, eye) for a, b in combinations(colours, 2)) > 0.09
    assert min(distance(a, b, eye) for a, b in pairwise(colours)) > 0.17


@pytest.mark.parametrize("eye", EYES)
def test_files_that_are_compared_differ(eye: str) -> None:
    assert distance(*FILE_COLOURS[:2], eye) > 0.09


@pytest.mark.parametrize("ground", GROUNDS.values())
def test_colours_stand_out_from_the_page(ground: str) -> None:
    for colour in (*WAIT_COLOURS.values(), *FILE_COLOURS):
        assert contrast(colour, ground) > 1.75, colour


def test_every_wait_that_is_written_has_a_colour_and_a_meaning() -> None:
    assert list(WAIT_COLOURS) == [w.key for w in WAITS] == list(WRITTEN)


def test_there_is_a_colour_for_any_number_of_files() -> None:
    assert file_colour(len(FILE_COLOURS)) == FILE_COLOURS[0]
