import json
import shutil

import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.processor import AudioTextProcessor, banned_token_ids, load_processor


@pytest.fixture
def folder(tiny_processor, tmp_path):
    tiny_processor.save_pretrained(tmp_path / "processor")
    return tmp_path / "processor"


def test_round_trip(tiny_processor, folder) -> None:
    loaded = load_processor(folder)
    text = "<think> tom is happy. żółw </think> Answer: entailed.<|im_end|>"
    assert loaded.tokenizer.encode(text) == tiny_processor.tokenizer.encode(text)
    assert loaded.tokenizer.decode(loaded.tokenizer.encode(text)) == text
    assert loaded.chat_template == tiny_processor.chat_template
    assert loaded.tokenizer.padding_side == "left"
    assert loaded.audio_token_id == tiny_processor.audio_token_id
    assert loaded.feature_extractor.feature_size == 128


def test_a_folder_laid_out_as_the_7b_is_read(folder) -> None:
    """The 7B keeps its settings in preprocessor_config.json, vision included, and its template in a JSON file."""
    settings = json.loads((folder / "processor_config.json").read_text())["feature_extractor"]
    vision = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "merge_size": 2}
    settings = {**settings, **vision, "processor_class": "Qwen2_5OmniProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    (folder / "processor_config.json").unlink()
    (folder / "chat_template.jinja").unlink()
    loaded = load_processor(folder)
    assert isinstance(loaded, AudioTextProcessor)
    assert loaded.chat_template == template
    assert loaded.feature_extractor.feature_size == 128
    assert loaded.audio_bos_token == "<|audio_bos|>"


def test_the_stock_call_makes_the_models_inputs(tiny_processor, make_log_mel) -> None:
    wave = make_log_mel(125)[:, 0].repeat(128)
    inputs = tiny_processor(text="<|audio_bos|><|AUDIO|><|audio_eos|>", audio=[wave[:16000]], return_tensors="pt")
    assert set(inputs) >= {"input_ids", "attention_mask", "input_features", "feature_attention_mask"}
    assert (inputs["input_ids"] == tiny_processor.audio_token_id).sum() == 25


@pytest.mark.parametrize("missing", ["tokenizer_config.json", "processor_config.json", "chat_template.jinja"])
def test_a_missing_part_is_one_clear_message(folder, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(SoundmindError, match=str(folder)) as caught:
        load_processor(folder)
    assert caught.value.hint


def test_a_tokenizer_without_audio_tokens_is_refused(folder) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config = {key: value for key, value in config.items() if "audio" not in key}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(SoundmindError, match=r"audio_token|audio_bos_token"):
        load_processor(folder)


def test_a_missing_folder_is_one_clear_message(folder) -> None:
    shutil.rmtree(folder)
    with pytest.raises(SoundmindError, match=r"No Qwen2\.5-Omni processor"):
        load_processor(folder)


def test_all_control_tokens_but_the_end_of_turn_are_banned(tiny_processor) -> None:
    tokenizer = tiny_processor.tokenizer
    banned = banned_token_ids(tiny_processor, len(tokenizer) + 3)
    names = tokenizer.convert_ids_to_tokens(list(banned[:-3]))
    assert "<|AUDIO|>" in names and "<|im_start|>" in names and "<|endoftext|>" in names
    assert "<|im_end|>" not in names and "<think>" not in names and "</think>" not in names
    assert all(name.startswith("<|") for name in names)
    assert banned[-3:] == tuple(range(len(tokenizer), len(tokenizer) + 3))
