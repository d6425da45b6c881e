"""The auxiliary objective of supervised warm-up: the audio tower must spell what it hears in token embeddings."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# The padding token's embedding starts as zeros: its gradient is divided by no less than this, else it alone would fill
# the clipped gradient of the first step.
_SHORTEST = 1e-2


def ctc_losses(
    audio: Sequence[Tensor],  # each [tokens, hidden]
    spoken: Sequence[Sequence[int]],
    embeddings: Tensor,  # [vocabulary, hidden]
    blank: int,
    scale: float,
) -> Tensor:  # [clips]
    """Connectionist temporal classification (Graves et al. 2006) of each clip, through the token embeddings.

    The logit of token v at an audio embedding x is `scale` times the cosine of x and v's embedding, so the tower learns
    to put into the language model's input what the written word would have put there. No head is added to the policy.

    Args:
        audio: Output of the audio tower for each clip, with gradient.
        spoken: Token ids of what each clip says, at least one, at most as many as the clip has audio tokens.
        embeddings: The input embeddings of the language model.
        blank: Id of the token that stands for "nothing new": `<|AUDIO|>`, which no text holds.
        scale: Inverse temperature of the softmax.

    Returns:
        Negative log-likelihood in nats per token of each clip's text; 0, without gradient, where the clip is too short
        to spell its text.
    """
    lengths = [len(clip) for clip in audio]
    log_probs = _word_log_probs(audio, embeddings, scale)
    device = log_probs.device
    targets = torch.tensor([token for row in spoken for token in row], device=device)
    counts = torch.tensor([len(row) for row in spoken], device=device)
    losses = F.ctc_loss(
        torch.nn.utils.rnn.pad_sequence(log_probs.split(lengths)),  # [longest, clips, vocabulary]
        targets,
        torch.tensor(lengths, device=device),
        counts,
        blank=blank,
        reduction="none",
        zero_infinity=True,
    )
    return losses / counts


def flat_start_losses(
    audio: Sequence[Tensor],  # each [tokens, hidden]
    spoken: Sequence[Sequence[int]],
    durations: Sequence[Sequence[float]],
    embeddings: Tensor,  # [vocabulary, hidden]
    scale: float,
) -> Tensor:  # [clips]
    """Cross-entropy of each clip against its words spread over it, as if their alignment were known.

    CTC alone is bimodal at nano size: from some seeds the tower learns to say words late and to fill the time with
    frequent ones, and stays there. A few steps of a guessed alignment put it on the way, as the flat start of HMM
    recognisers does (Young et al., The HTK Book); a transcript is all it needs.

    Args:
        audio: Output of the audio tower for each clip, with gradient.
        spoken: Token ids of what each clip says, at least one.
        durations: How long each of these tokens takes, in any unit, as in `guess_duration`.
        embeddings: The input embeddings of the language model.
        scale: Inverse temperature of the softmax.

    Returns:
        Negative log-likelihood in nats per audio token.
    """
    log_probs = _word_log_probs(audio, embeddings, scale).split([len(clip) for clip in audio])
    losses = []
    for clip, tokens, times in zip(log_probs, spoken, durations, strict=True):
        ends = torch.tensor(times, dtype=torch.float64).cumsum(0)
        ends = (ends / ends[-1] * len(clip)).round().long()
        targets = torch.tensor(tokens).repeat_interleave(torch.diff(ends, prepend=torch.zeros(1, dtype=torch.long)))
        losses.append(F.nll_loss(clip, targets.to(clip.device)))
    return torch.stack(losses)


def guess_duration(text: str) -> float:
    """How long a token may take to say, in letters: its own and one more."""
    return len(text.strip()) + 1.0


def _word_log_probs(audio: Sequence[Tensor], embeddings: Tensor, scale: float) -> Tensor:
    """What each audio token sounds like, `[tokens of all clips, vocabulary]`."""
    words = F.normalize(embeddings.float(), dim=-1, eps=_SHORTEST)
    cosines = F.normalize(torch.cat(list(audio)).float(), dim=-1, eps=_SHORTEST) @ words.T
    return F.log_softmax(scale * cosines, dim=-1)
