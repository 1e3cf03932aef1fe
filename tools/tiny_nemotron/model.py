"""The transducer: Nemotron's geometry and interface, a two-thousandth of its size.

128 mel bands, one encoder frame per 8 feature frames, state carried in two caches, a
recurrent predictor, a joiner whose last output is blank. Shapes: B clips, T frames,
D encoder width, H predictor width, U tokens, V words.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor, nn

FEATURES = 128
SUBSAMPLING = 8
# Three convolutions of width 3 and step 2: one output sees 1 + 2 + 4 + 8 frames.
RECEPTIVE_FIELD = 15
DROPOUT = 0.1


@attrs.frozen
class Size:
    """Widths of the layers; the default has 1.07 million parameters."""

    convolutions: tuple[int, int] = (96, 160)
    encoder: int = 224
    encoder_layers: int = 2
    predictor: int = 112
    joiner: int = 192


def encoded_length(frames: int) -> int:
    """Return how many encoder frames `frames` feature frames give."""
    return (frames - RECEPTIVE_FIELD) // SUBSAMPLING + 1


class Encoder(nn.Module):
    """Convolutions that look at a window, then recurrent layers that remember."""

    mean: Tensor
    scale: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        first, second = size.convolutions
        width = size.encoder
        self.layers, self.width = size.encoder_layers, width
        self.register_buffer("mean", torch.zeros(FEATURES, 1))
        self.register_buffer("scale", torch.ones(FEATURES, 1))
        self.subsample = nn.Sequential(
            *(nn.Conv1d(FEATURES, first, 3, 2), nn.ReLU()),
            *(nn.Conv1d(first, second, 3, 2), nn.ReLU()),
            *(nn.Conv1d(second, width, 3, 2), nn.ReLU()),
        )
        self.norm_in = nn.LayerNorm(width)
        self.memory = nn.GRU(
            width, width, self.layers, batch_first=True, dropout=DROPOUT
        )
        self.norm_out = nn.LayerNorm(width)

    def encode(self, frames: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, 128, T) and state (layers, B, D) to (B, T', D) and state."""
        seen = self.subsample((frames - self.mean) * self.scale)
        seen = self.norm_in(seen.transpose(1, 2))
        remembered, state = self.memory(seen, state)
        return self.norm_out(remembered + seen), state

    def forward(
        self,
        audio_signal: Tensor,
        length: Tensor,
        cache_last_channel: Tensor,
        cache_last_time: Tensor,
        cache_last_channel_len: Tensor,
    ) -> tuple[Tensor, ...]:
        """Encode one window, with the inputs and outputs of the exported format.

        The state travels as cache_last_time (B, layers, D, 1). cache_last_channel,
        which holds a real model's attention context, passes through unused.
        """
        state = cache_last_time.squeeze(3).transpose(0, 1).contiguous()
        encoded, state = self.encode(audio_signal, state)
        return (
            encoded.transpose(1, 2),
            torch.div(length, SUBSAMPLING, rounding_mode="floor") - 1,
            cache_last_channel * 1.0,
            state.transpose(0, 1).unsqueeze(3),
            cache_last_channel_len + encoded.size(1),
        )


class Predictor(nn.Module):
    """What the words so far say about the next one. Blank stands for the beginning."""

    def __init__(self, size: Size, words: int) -> None:
        super().__init__()
        self.width = size.predictor
        self.embedding = nn.Embedding(words + 1, self.width, padding_idx=words)
        self.memory = nn.LSTM(self.width, self.width, batch_first=True)

    def forward(
        self, targets: Tensor, target_length: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, ...]:
        """Map tokens (B, U) and two states (1, B, H) to (B, H, U) and new states."""
        out, (hidden, cell) = self.memory(
            self.embedding(targets.long()), (hidden, cell)
        )
        return out.transpose(1, 2), target_length * 1, hidden, cell


class Joiner(nn.Module):
    """Scores every word, and blank, for an encoder frame and a predictor state."""

    def __init__(self, size: Size, words: int) -> None:
        super().__init__()
        self.from_encoder = nn.Linear(size.encoder, size.joiner)
        self.from_predictor = nn.Linear(size.predictor, size.joiner)
        self.score = nn.Linear(size.joiner, words + 1)

    def forward(self, encoder_outputs: Tensor, decoder_outputs: Tensor) -> Tensor:
        """Map (B, D, T) and (B, H, U) to scores (B, T, U, V + 1)."""
        heard = self.from_encoder(encoder_outputs.transpose(1, 2)).unsqueeze(2)
        said = self.from_predictor(decoder_outputs.transpose(1, 2)).unsqueeze(1)
        scores: Tensor = self.score(torch.tanh(heard + said))
        return scores


class Transducer(nn.Module):
    """The three exported parts, and a CTC head that only helps to train them."""

    def __init__(self, words: int, size: Size | None = None) -> None:
        super().__init__()
        size = size or Size()
        self.blank = words
        self.encoder = Encoder(size)
        self.predictor = Predictor(size, words)
        self.joiner = Joiner(size, words)
        self.ctc = nn.Linear(size.encoder, words + 1)
