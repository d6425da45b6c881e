"""From log-mel frames to the embeddings that stand in the places of `<|AUDIO|>`."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from soundmind_pipeline.policy.thinker import device_of, thinker_of
from soundmind_pipeline.speech.log_mel import audio_token_count

DEFAULT_MAX_FRAMES = 30_000


def encode_audio(
    model: nn.Module, log_mels: Sequence[np.ndarray], max_frames: int = DEFAULT_MAX_FRAMES
) -> list[Tensor]:
    """Encode clips of any length: no padding to 30 s, no truncation.

    The clips are laid end to end, so that a batch costs what its frames cost; each clip attends to itself only.
    Gradients flow when they are enabled.

    Args:
        model: A Thinker or a `PeftModel` around one.
        log_mels: Log-mel frames, each float32 `[frames, 128]`, at 100 frames a second.
        max_frames: Upper bound on the frames encoded at once; it bounds memory (a longer clip is encoded alone).

    Returns:
        One tensor `[tokens, hidden]` a clip, `tokens = audio_token_count(frames)`, on the model's device.

    Raises:
        ValueError: A clip is not `[frames, 128]` or is too short to make one token.
    """
    for index, log_mel in enumerate(log_mels):
        if log_mel.ndim != 2 or audio_token_count(log_mel.shape[0]) < 1:
            raise ValueError(f"clip {index} of shape {log_mel.shape} is no log-mel [frames >= 3, bins]")
    tower = thinker_of(model).model.audio_tower
    device = device_of(model)
    embeddings: list[Tensor] = []
    for group in _groups(log_mels, max_frames):
        frames = torch.cat([torch.as_tensor(clip) for clip in group]).to(device)  # [sum of frames, bins]
        lengths = torch.tensor([clip.shape[0] for clip in group], device=device)
        flat = tower(frames.T, feature_lens=lengths).last_hidden_state  # [sum of tokens, hidden]
        embeddings.extend(flat.split([audio_token_count(clip.shape[0]) for clip in group]))
    return embeddings


def _groups(log_mels: Sequence[np.ndarray], max_frames: int) -> Iterator[list[np.ndarray]]:
    group: list[np.ndarray] = []
    frames = 0
    for clip in log_mels:
        if group and frames + clip.shape[0] > max_frames:
            yield group
            group, frames = [], 0
        group.append(clip)
        frames += clip.shape[0]
    if group:
        yield group
