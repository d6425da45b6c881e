"""A full Qwen2.5-Omni checkpoint (thinker, talker, token2wav, voices) with some 200,000 random weights."""

import torch
from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

from soundmind_pipeline.policy.nano import build_thinker

# Ids of the codec from CODES on mean something else; CODES itself is token2wav's spare row.
CODES, END = 64, 72


def save_tiny_omni(folder, processor, params) -> None:
    """Write the checkpoint to `folder`: loud random speech that comes to an end after some dozens of tokens."""
    thinker = build_thinker(params, processor, seed=0).config
    config = Qwen2_5OmniConfig(
        thinker_config=thinker.to_dict(), talker_config=talker_config(thinker), token2wav_config=TOKEN2WAV
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen2_5OmniForConditionalGeneration(config)
        for name, weight in model.token2wav.code2wav_bigvgan_model.named_parameters():
            if name.endswith("weight"):  # at the usual initial weights 16 bits are all zero
                weight.data.normal_(std=0.8 * weight[0].numel() ** -0.5)
        voices = {
            name: {"bos_token": bos, "cond": torch.randn(1, 6), "ref_mel": torch.randn(1, 30, 8)}
            for name, bos in (("Chelsie", 13), ("Ethan", 14))
        }
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    torch.save(voices, folder / "spk_dict.pt")


def talker_config(thinker) -> dict:
    """A talker that listens to `thinker`, with the 7B's gaps between the ids of its codec."""
    shared = ("audio_token_index", "image_token_index", "video_token_index", "vision_start_token_id")
    return {
        **{name: getattr(thinker, name) for name in (*shared, "vision_end_token_id")},
        "audio_start_token_id": thinker.audio_start_token_id,
        "audio_end_token_id": thinker.audio_end_token_id,
        "tts_text_start_token_id": 10,
        "tts_text_end_token_id": 11,
        "tts_text_pad_token_id": 12,
        "vocab_size": 80,
        "tts_codec_pad_token_id": 70,
        "tts_codec_start_token_id": 71,
        "tts_codec_end_token_id": END,
        "tts_codec_mask_token_id": 73,
        "embedding_size": thinker.text_config.hidden_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]},
        "initializer_range": 0.3,
    }


TOKEN2WAV = {
    "dit_config": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "ff_mult": 1,
        "emb_dim": 8,
        "num_embeds": CODES,
        "mel_dim": 8,
        "enc_emb_dim": 6,
        "enc_dim": 8,
        "enc_channels": [8, 8, 8],
        "enc_kernel_sizes": [3, 3, 1],
        "enc_dilations": [1, 2, 1],
        "enc_attention_channels": 4,
        "enc_se_channels": 4,
        "look_ahead_layers": [0],
        "look_backward_layers": [0],
    },
    "bigvgan_config": {
        "mel_dim": 8,
        "upsample_initial_channel": 64,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
    },
}
