"""The nano policy: Qwen2.5-Omni's own classes, with a small tokenizer and random weights."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

from soundmind_pipeline.policy.params import NanoPolicyParams, TokenizerParams
from soundmind_pipeline.policy.processor import AudioTextProcessor

END_OF_TURN = "<|im_end|>"
PADDING = "<|endoftext|>"
CONTROL_TOKENS = (
    PADDING,
    "<|im_start|>",
    END_OF_TURN,
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
)
# Single tokens, but not control tokens: they may be sampled, and they stay in decoded text.
TAGS = ("<think>", "</think>")

# No default system prompt, unlike the 7B's template: at nano size it would cost every row a dozen tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' or 'audio' in part or 'audio_url' in part %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# A word with the space in front of it, a run of anything else, or white space; what is new falls apart into bytes.
_PIECES = r" ?[A-Za-z]+| ?[^\sA-Za-z]+|\s+"
_MARKUP = re.compile("|".join(re.escape(token) for token in (*CONTROL_TOKENS, *TAGS)))


def build_tokenizer(texts: Iterable[str], params: TokenizerParams) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer: one token a corpus word while `vocab_size` lasts, bytes for anything else.

    Any text is encoded without loss (no normalisation, no unknown token). Control tokens that occur in `texts` are
    cut out before training.

    Args:
        texts: Train texts: questions, answers and instructions.
        params: Size of the vocabulary.

    Returns:
        A tokenizer with `<|im_end|>` as end of turn, `<|endoftext|>` as padding, padding on the left.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=params.vocab_size - len(TAGS),
        min_frequency=params.min_frequency,
        special_tokens=list(CONTROL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_pieces(texts, params.min_frequency), trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=PADDING,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={
            "image_token": "<|IMAGE|>",
            "audio_token": "<|AUDIO|>",
            "video_token": "<|VIDEO|>",
            "vision_bos_token": "<|vision_bos|>",
            "vision_eos_token": "<|vision_eos|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
    )


def _training_pieces(texts: Iterable[str], min_frequency: int) -> Iterator[str]:
    # The words of the chat template count as often as it takes to become tokens.
    yield from ("system\n", "user\n", "assistant\n") * min_frequency
    for text in texts:
        yield from _MARKUP.split(text)


def build_processor(texts: Iterable[str], params: TokenizerParams) -> AudioTextProcessor:
    """A processor whose tokenizer is trained on `texts`; log-mel settings are those of Qwen2.5-Omni-7B."""
    extractor = WhisperFeatureExtractor(
        feature_size=128,
        sampling_rate=16_000,
        hop_length=160,
        n_fft=400,
        chunk_length=300,
        return_attention_mask=True,
    )
    return AudioTextProcessor(extractor, build_tokenizer(texts, params), chat_template=CHAT_TEMPLATE)


def build_thinker(
    params: NanoPolicyParams, processor: AudioTextProcessor, seed: int
) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """A Thinker with random weights: same parameters, tokenizer and seed, same weights.

    The vision tower has one frozen layer of width 32: the class cannot be built without one. The global random state
    is left as it was.

    Args:
        params: Dimensions.
        processor: Gives the vocabulary and the ids of the control tokens.
        seed: Seed of the initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5OmniThinkerForConditionalGeneration(_thinker_config(params, processor))
    model.model.visual.requires_grad_(False)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return model


def nano_dimensions(params: NanoPolicyParams, vocab_size: int) -> dict[str, dict[str, Any]]:
    """The parts of a Thinker's configuration that give its weights their shapes."""
    half = params.hidden_dim // params.heads // 2
    spatial = 3 * half // 8  # the 7B's split of the rotary frequencies, 16:24:24 of 64
    return {
        "audio_config": {
            "num_mel_bins": 128,
            "d_model": params.audio_dim,
            "encoder_layers": params.audio_layers,
            "encoder_attention_heads": params.audio_heads,
            "encoder_ffn_dim": params.audio_ffn_dim,
            "n_window": params.audio_window,
            "max_source_positions": 1500,
            "output_dim": params.hidden_dim,
            "initializer_range": params.initializer_range,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": params.hidden_dim,
            "fullatt_block_indexes": [0],
        },
        "text_config": {
            "vocab_size": vocab_size,
            "hidden_size": params.hidden_dim,
            "intermediate_size": params.ffn_dim,
            "num_hidden_layers": params.layers,
            "num_attention_heads": params.heads,
            "num_key_value_heads": params.kv_heads,
            "max_position_embeddings": params.max_positions,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": params.rope_theta,
                "mrope_section": [half - 2 * spatial, spatial, spatial],
            },
            "tie_word_embeddings": params.tie_embeddings,
            "initializer_range": params.initializer_range,
        },
    }


def _thinker_config(params: NanoPolicyParams, processor: AudioTextProcessor) -> Qwen2_5OmniThinkerConfig:
    tokenizer = processor.tokenizer
    token_id = tokenizer.convert_tokens_to_ids
    dimensions = nano_dimensions(params, len(tokenizer))
    dimensions["text_config"] |= {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    return Qwen2_5OmniThinkerConfig(
        **dimensions,
        audio_token_index=token_id("<|AUDIO|>"),
        image_token_index=token_id("<|IMAGE|>"),
        video_token_index=token_id("<|VIDEO|>"),
        audio_start_token_id=token_id("<|audio_bos|>"),
        audio_end_token_id=token_id("<|audio_eos|>"),
        vision_start_token_id=token_id("<|vision_bos|>"),  # generate() reads it; the class gives no default
        vision_end_token_id=token_id("<|vision_eos|>"),
        user_token_id=tokenizer.encode("user", add_special_tokens=False)[0],
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=params.tie_embeddings,
        initializer_range=params.initializer_range,
    )
