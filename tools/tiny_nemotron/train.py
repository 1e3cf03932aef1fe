"""Training: batches of like length, CTC to begin with, then the transducer's loss."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tools.tiny_nemotron.loss import transducer_loss
from tools.tiny_nemotron.model import DROPOUT, FEATURES, Transducer, encoded_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.tiny_nemotron.dataset import Utterance

# What sherpa-onnx gives for digital silence: the log of the smallest float32 step.
SILENCE = -15.94
BATCH_FRAMES = 9000
BATCH_UTTERANCES = 32
PEAK_RATE = 2e-3
LAST_RATE = 0.01
WARM_UP_STEPS = 150
# Shares of the budget: CTC alone finds the words' places four times as cheaply.
CTC_ALONE = 0.1
FULL_RATE = 0.35
CTC_WEIGHT = 0.3
LARGEST_GRADIENT = 2.0
# What is hidden in training: mel bands, frames, and the level (in log power).
MOST_BANDS, MOST_FRAMES = 16, 8
LEVEL_CHANGE = 1.5
REPORT_EVERY = 50


@attrs.frozen(eq=False)
class Batch:
    """Padded clips: frames (B, 128, T), tokens (B, U), and their true lengths."""

    frames: Tensor
    encoded: Tensor
    tokens: Tensor
    words: Tensor


def collate(utterances: Sequence[Utterance]) -> Batch:
    """Pad clips to one length with silence, and their tokens with token 0."""
    longest = max(len(one.frames) for one in utterances)
    most_words = max(1, *(len(one.tokens) for one in utterances))
    frames = torch.full((len(utterances), longest, FEATURES), SILENCE)
    tokens = torch.zeros(len(utterances), most_words, dtype=torch.long)
    for row, one in enumerate(utterances):
        frames[row, : len(one.frames)] = torch.from_numpy(one.frames.astype(np.float32))
        tokens[row, : len(one.tokens)] = torch.tensor(one.tokens, dtype=torch.long)
    return Batch(
        frames.transpose(1, 2),
        torch.tensor([encoded_length(len(one.frames)) for one in utterances]),
        tokens,
        torch.tensor([len(one.tokens) for one in utterances]),
    )


def in_batches(utterances: Sequence[Utterance]) -> list[Sequence[Utterance]]:
    """Cut the utterances, shortest first, into batches that need little padding."""
    ordered = sorted(utterances, key=lambda one: len(one.frames))
    batches: list[Sequence[Utterance]] = []
    start = 0
    while start < len(ordered):
        longest = len(ordered[min(start + 20, len(ordered) - 1)].frames)
        count = max(4, min(BATCH_UTTERANCES, BATCH_FRAMES // longest))
        batches.append(ordered[start : start + count])
        start += count
    return batches


def passes(
    batches: list[Sequence[Utterance]], rng: np.random.Generator
) -> Iterator[Sequence[Utterance]]:
    """Yield batches for ever: first from short to long, then in any order."""
    yield from batches
    while True:
        for index in rng.permutation(len(batches)):
            yield batches[index]


def normalise(model: Transducer, utterances: Sequence[Utterance]) -> None:
    """Give the encoder the mean and the scale of each mel band."""
    sample = np.concatenate([one.frames[::7] for one in utterances]).astype(np.float32)
    model.encoder.mean[:, 0] = torch.from_numpy(sample.mean(0))
    model.encoder.scale[:, 0] = torch.from_numpy(1 / (sample.std(0) + 1e-3))


def hide(frames: Tensor, mean: Tensor, rng: np.random.Generator) -> Tensor:
    """Change the level and hide a few bands and moments, as SpecAugment does."""
    frames = frames.clone()
    clips, bands, length = frames.shape
    for clip in range(clips):
        for _ in range(2):
            low, high = _span(rng, bands, MOST_BANDS)
            frames[clip, low:high] = mean[low:high]
        if rng.random() < 0.5:
            frames[clip] += rng.uniform(-LEVEL_CHANGE, LEVEL_CHANGE)
        start, end = _span(rng, length, MOST_FRAMES)
        frames[clip, :, start:end] = mean
    return frames


def _span(rng: np.random.Generator, length: int, longest: int) -> tuple[int, int]:
    """Return where a span of at most `longest` begins and ends within `length`."""
    width = int(rng.integers(longest + 1))
    start = int(rng.integers(length - width + 1))
    return start, start + width


def encode(model: Transducer, batch: Batch, rng: np.random.Generator) -> Tensor:
    """Return the encoder's view (B, T', D) of clips made harder to recognise."""
    state = torch.zeros(model.encoder.layers, len(batch.words), model.encoder.width)
    frames = hide(batch.frames, model.encoder.mean, rng)
    encoded, _ = model.encoder.encode(frames, state)
    return functional.dropout(encoded, DROPOUT)


def ctc_per_token(model: Transducer, encoded: Tensor, batch: Batch) -> Tensor:
    """Return the CTC loss, which needs the encoder alone."""
    loss = functional.ctc_loss(
        model.ctc(encoded).log_softmax(-1).transpose(0, 1),
        *(batch.tokens, batch.encoded, batch.words),
        blank=model.blank,
        reduction="none",
        zero_infinity=True,
    )
    return (loss / (batch.words + 1)).mean()


def transducer_per_token(model: Transducer, encoded: Tensor, batch: Batch) -> Tensor:
    """Return the loss of the model that is exported."""
    clips = len(batch.words)
    begin = torch.full((clips, 1), model.blank)
    zero = torch.zeros(1, clips, model.predictor.width)
    said, *_ = model.predictor(
        torch.cat([begin, batch.tokens], 1), torch.ones(1), zero, zero
    )
    scores = model.joiner(encoded.transpose(1, 2), said).log_softmax(-1)
    right = batch.tokens[:, None, :, None].expand(-1, scores.size(1), -1, 1)
    word = scores[:, :, :-1].gather(3, right).squeeze(3)
    loss = transducer_loss(scores[..., model.blank], word, batch.encoded, batch.words)
    return (loss / (batch.words + 1)).mean()


def learning_rate(step: int, done: float) -> float:
    """Return the rate at a step, `done` being the share of the budget spent."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    fall = 1.0 if done < FULL_RATE else max(LAST_RATE, (1 - done) / (1 - FULL_RATE))
    return PEAK_RATE * warm * fall


def train(
    model: Transducer, utterances: Sequence[Utterance], minutes: float, seed: int
) -> int:
    """Train for `minutes` of this process's CPU time, at least one step.

    The budget is CPU time and not the clock's, so that a busy machine takes longer but
    learns as much. How many steps fit in varies a little, and so does the model, even
    with the same seed. Returns the number of steps.
    """
    rng = np.random.default_rng(seed)
    normalise(model, utterances)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), PEAK_RATE, weight_decay=1e-2)
    started_s = time.process_time()
    seen: list[float] = []
    for step, clips in enumerate(passes(in_batches(utterances), rng)):
        spent_s = time.process_time() - started_s
        done = spent_s / max(1e-3, 60 * minutes)
        if step and done >= 1:
            return step
        optimiser.param_groups[0]["lr"] = learning_rate(step, done)
        batch = collate(clips)
        encoded = encode(model, batch, rng)
        loss = CTC_WEIGHT * ctc_per_token(model, encoded, batch)
        if done >= CTC_ALONE:
            loss = loss + transducer_per_token(model, encoded, batch)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        seen.append(loss.item())
        if len(seen) == REPORT_EVERY:
            stage = "CTC and transducer" if done >= CTC_ALONE else "CTC alone"
            print(
                f"training: step {step + 1}, {spent_s:.0f} s of CPU, {stage}, "
                f"loss per token {np.mean(seen):.3f}",
                flush=True,
            )
            seen.clear()
    raise AssertionError("passes() never ends")
