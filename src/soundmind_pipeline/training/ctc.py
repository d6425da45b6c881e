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
    words = F.normalize(embeddings.float(), dim=-1, eps=_SHORTEST)
    cosines = F.normalize(torch.cat(list(audio)).float(), dim=-1, eps=_SHORTEST) @ words.T
    log_probs = F.log_softmax(scale * cosines, dim=-1)
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
