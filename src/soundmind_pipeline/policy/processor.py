"""The Qwen2.5-Omni processor without its vision half, which would need torchvision."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, ProcessorMixin, Qwen2_5OmniProcessor, WhisperFeatureExtractor

from soundmind_pipeline.errors import SoundmindError

_TOKEN_ATTRIBUTES = (
    "image_token",
    "audio_token",
    "video_token",
    "vision_bos_token",
    "vision_eos_token",
    "audio_bos_token",
    "audio_eos_token",
)


class AudioTextProcessor(Qwen2_5OmniProcessor):
    """Feature extractor, tokenizer and chat template of Qwen2.5-Omni; reads nano folders and the 7B's alike.

    Args:
        feature_extractor: The log-mel extractor (128 bins).
        tokenizer: A tokenizer with the control tokens of Qwen2.5-Omni (`audio_token`, `audio_bos_token`, …).
        chat_template: Jinja template that turns messages into text.
    """

    def __init__(
        self,
        feature_extractor: WhisperFeatureExtractor | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
    ) -> None:
        # Not super().__init__: Qwen2_5OmniProcessor insists on an image and a video processor.
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
        for name in _TOKEN_ATTRIBUTES:
            setattr(self, name, getattr(self.tokenizer, name))
        for name in ("image_token", "audio_token", "video_token"):
            setattr(self, f"{name}_id", getattr(self.tokenizer, f"{name}_id"))

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors that the processor makes for the model."""
        names = [*self.tokenizer.model_input_names, *self.feature_extractor.model_input_names]
        return list(dict.fromkeys([*names, "feature_attention_mask"]))


def load_processor(path_or_id: str | Path, **hub_options: Any) -> AudioTextProcessor:
    """Load a processor from a folder or from the hub.

    Args:
        path_or_id: A folder, or a hub id such as `Qwen/Qwen2.5-Omni-7B`.
        **hub_options: Passed on to `from_pretrained` (`revision`, `local_files_only`, …).

    Raises:
        SoundmindError: The folder lacks the tokenizer, the feature extractor or the chat template, or cannot be read.
    """
    folder = Path(path_or_id)
    if folder.is_dir() and not (folder / "tokenizer_config.json").is_file():
        raise SoundmindError(
            f"{folder} holds no processor: tokenizer_config.json is missing.",
            "Save the processor beside the weights, or name the folder that holds it.",
        )
    try:
        processor = AudioTextProcessor.from_pretrained(str(path_or_id), **hub_options)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise SoundmindError(
            f"No Qwen2.5-Omni processor can be read from {path_or_id}: {_first_line(error)}",
            "Give a folder with tokenizer, feature extractor and chat template, or a hub id such as "
            "Qwen/Qwen2.5-Omni-7B.",
        ) from error
    if not processor.chat_template:
        raise SoundmindError(
            f"The processor in {path_or_id} has no chat template.", "Add chat_template.jinja to the folder."
        )
    return processor


def banned_token_ids(processor: AudioTextProcessor, vocab_size: int) -> tuple[int, ...]:
    """Token ids that no completion may hold, ascending.

    These are the control tokens except the end-of-turn token (a sampled `<|AUDIO|>` would be taken for a place of
    audio when the completion is scored) and the ids behind the tokenizer's last token, which decode to nothing.

    Args:
        processor: The policy's processor.
        vocab_size: Rows of the model's embedding matrix; at 7B there are more than tokens.
    """
    tokenizer = processor.tokenizer
    control = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    control.update(tokenizer.all_special_ids)
    control.update(range(len(tokenizer), vocab_size))
    control.discard(tokenizer.eos_token_id)
    return tuple(sorted(index for index in control if index < vocab_size))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
