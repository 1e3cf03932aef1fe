"""The tool that trains the tests' recogniser, and the recogniser it once made.

Both run in processes of their own: espeak-ng keeps global state, and sherpa-onnx ends
the process when a model lacks what it needs.
"""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tools.tiny_nemotron.corpus import load_corpus

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "tests" / "data" / "tiny-nemotron-160ms"
FILES = ["decoder.onnx", "encoder.onnx", "joiner.onnx", "tokens.txt"]

NEEDS_TORCH = "training needs torch and onnx: pip install 'trioagent[torch]'"


def run_module(module: str, *options: str | Path) -> str:
    """Run one of the tool's modules and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def phrase_error_percent(table: str) -> float:
    """Return the error rate of all voices' phrases, from the table's last line."""
    found = re.search(r"^all voices +([\d.]+)%", table, re.MULTILINE)
    assert found, table
    return float(found[1])


def test_vocabulary_is_that_of_the_tests_model() -> None:
    lines = (MODEL / "tokens.txt").read_text(encoding="utf-8").splitlines()
    words = load_corpus().vocabulary()
    expected = [f"\u2581{word} {index}" for index, word in enumerate(words)]
    assert lines == [*expected, "<blk> 206"]


def test_sentences_have_no_open_slots_and_no_other_words() -> None:
    corpus, rng = load_corpus(), np.random.default_rng(0)
    heard = {word for _ in range(3000) for word in corpus.sentence(rng).split()}
    assert heard == set(corpus.vocabulary())


def test_model_of_the_tests_understands_every_voice() -> None:
    table = run_module("tools.tiny_nemotron.evaluate", MODEL, "--sentences", "12")
    assert phrase_error_percent(table) < 8


def test_training_writes_a_folder_that_sherpa_onnx_runs(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NEEDS_TORCH)
    onnx = pytest.importorskip("onnx", reason=NEEDS_TORCH)
    out = tmp_path / "model"
    table = run_module(
        "tools.tiny_nemotron",
        *("--out", out, "--utterances", "24", "--minutes", "0"),
        *("--sentences", "1", "--fp16"),
    )
    # One step teaches nothing, but the model was loaded and gave words or none.
    assert phrase_error_percent(table) > 50
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert (out / "tokens.txt").read_bytes() == (MODEL / "tokens.txt").read_bytes()
    for name in FILES[:3]:
        made, kept = onnx.load(out / name), onnx.load(MODEL / name)
        for side in ("input", "output"):
            assert shapes(made, side) == shapes(kept, side)


def shapes(model: object, side: str) -> list[tuple[str, int, list[int]]]:
    """Return names, types and fixed dimensions of a graph's inputs or outputs."""
    return [
        (
            each.name,
            each.type.tensor_type.elem_type,
            [axis.dim_value for axis in each.type.tensor_type.shape.dim],
        )
        for each in getattr(model.graph, side)
    ]


def test_transducer_loss_sums_over_all_alignments() -> None:
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    tool = importlib.import_module("tools.tiny_nemotron.loss")
    torch.manual_seed(0)
    blank, word = torch.randn(2, 4, 4), torch.randn(2, 4, 3)
    frames, words = torch.tensor([4, 3]), torch.tensor([3, 2])
    by_hand = []
    for clip, (length, count) in enumerate(zip(frames, words, strict=True)):
        # Every way to say the words in order: the frame at which each is said.
        paths = [
            sum(word[clip, t, u] for u, t in enumerate(said_at))
            + sum(blank[clip, t, sum(at <= t for at in said_at)] for t in range(length))
            for said_at in itertools.combinations_with_replacement(
                range(length), int(count)
            )
        ]
        by_hand.append(-torch.logsumexp(torch.stack(paths), 0))
    loss = tool.transducer_loss(blank, word, frames, words)
    torch.testing.assert_close(loss, torch.stack(by_hand))
