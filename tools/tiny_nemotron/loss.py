"""The transducer loss (Graves, 2012, "Sequence transduction with recurrent networks").

alpha[t, u] is the log-probability of having said u words after t frames. It comes from
the left by a blank and from below by a word:

    alpha[t, u] = log(exp(alpha[t-1, u] + blank[t-1, u])
                      + exp(alpha[t, u-1] + word[t, u-1]))

With said[t, u] = word[t, 0] + ... + word[t, u-1], the second term unrolls into a
running log-sum-exp along u, so that one frame takes one vector operation:

    alpha[t] = said[t] + logcumsumexp(alpha[t-1] + blank[t-1] - said[t])
"""

from __future__ import annotations

import torch
from torch import Tensor


def transducer_loss(
    blank: Tensor, word: Tensor, frames: Tensor, words: Tensor
) -> Tensor:
    """Return minus the log-probability of each clip's words, shape (B,).

    Args:
        blank: log-probabilities of blank, (B, T, U + 1).
        word: log-probabilities of the next right word, (B, T, U).
        frames: frames of each clip, at most T; the rest is padding.
        words: words of each clip, at most U; the rest is padding.
    """
    said = torch.nn.functional.pad(word.cumsum(2), (1, 0))
    alpha = said[:, 0]
    alphas = [alpha]
    for t in range(1, blank.size(1)):
        from_left = alpha + blank[:, t - 1]
        alpha = said[:, t] + torch.logcumsumexp(from_left - said[:, t], dim=1)
        alphas.append(alpha)
    clip = torch.arange(len(frames))
    last = frames - 1
    return -(torch.stack(alphas, 1)[clip, last, words] + blank[clip, last, words])
