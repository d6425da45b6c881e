import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.folder import ModelFolder, Policy, load_policy, rebase_adapter, save_policy
from soundmind_pipeline.policy.nano import build_thinker
from soundmind_pipeline.policy.params import LoraParams


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.arange(20, 40).unsqueeze(0)).logits


@pytest.fixture
def base(tiny_policy, tmp_path) -> ModelFolder:
    return save_policy(tiny_policy, tmp_path / "models" / "sft")


@pytest.fixture
def adapted(base, tmp_path) -> tuple[ModelFolder, Policy]:
    policy = load_policy(base)
    model = add_lora(policy.model, LoraParams(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    policy = Policy(model.eval(), policy.processor)
    return save_policy(policy, tmp_path / "models" / "work" / "rl"), policy


def test_a_whole_policy_makes_the_round_trip(tiny_policy, base) -> None:
    loaded = load_policy(str(base.path))
    assert not base.is_adapter and not loaded.model.training
    assert torch.equal(logits(loaded.model), logits(tiny_policy.model))
    assert loaded.processor.tokenizer.get_vocab() == tiny_policy.processor.tokenizer.get_vocab()
    assert {path.suffix for path in base.path.iterdir()} <= {".json", ".safetensors", ".jinja"}


def test_plain_transformers_reads_the_folder(tiny_policy, base) -> None:
    plain = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(base.path).eval()
    assert torch.equal(logits(plain), logits(tiny_policy.model))
    text = "tom is happy. <|im_end|>"
    assert AutoTokenizer.from_pretrained(base.path).encode(text) == tiny_policy.processor.tokenizer.encode(text)


def test_an_adapter_folder_holds_the_adapter_and_names_its_base_from_there(base, adapted) -> None:
    folder, policy = adapted
    assert folder.is_adapter
    config = json.loads((folder.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "../../sft"
    assert folder.base.path.resolve() == base.path.resolve()
    assert not (folder.path / "model.safetensors").exists()
    loaded = load_policy(folder)
    assert torch.equal(logits(loaded.model), logits(policy.model))
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    trainable = load_policy(folder, trainable=True).model
    assert {name for name, w in trainable.named_parameters() if w.requires_grad} == {
        name for name, _ in trainable.named_parameters() if "lora_" in name
    }


def test_checksums_tell_every_file_that_decides_on_an_answer(base, adapted) -> None:
    folder, _ = adapted
    (folder.path / "README.md").write_text("about")
    before = folder.checksums()
    assert {f"base/{name}": digest for name, digest in base.checksums().items()}.items() <= before.items()
    assert before["base/model.safetensors"] == sha256_of(base.path / "model.safetensors")
    assert before["adapter_model.safetensors"] == sha256_of(folder.path / "adapter_model.safetensors")
    assert "README.md" not in before
    weights = base.path / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    changed = folder.checksums()
    assert [name for name in before if before[name] != changed[name]] == ["base/model.safetensors"]
    assert ModelFolder("Qwen/Qwen2.5-Omni-7B").checksums() == {}


def test_plain_peft_reads_the_adapter(base, adapted) -> None:
    folder, policy = adapted
    plain = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(base.path)
    assert torch.equal(logits(PeftModel.from_pretrained(plain, folder.path).eval()), logits(policy.model))


def test_a_project_can_be_moved(adapted, tmp_path) -> None:
    folder, policy = adapted
    shutil.move(tmp_path / "models", tmp_path / "elsewhere")
    moved = ModelFolder(tmp_path / "elsewhere" / folder.path.relative_to(tmp_path / "models"))
    assert torch.equal(logits(load_policy(moved).model), logits(policy.model))


def test_an_adapter_moved_by_itself_is_rebased(base, adapted, tmp_path) -> None:
    folder, policy = adapted
    target = ModelFolder(tmp_path / "models" / "rl")
    shutil.move(folder.path, target.path)
    with pytest.raises(SoundmindError, match=r"adapter_config\.json names as base model"):
        load_policy(target)
    rebase_adapter(target, base)
    assert torch.equal(logits(load_policy(target).model), logits(policy.model))


def test_the_processor_of_the_base_serves_an_adapter_without_one(adapted) -> None:
    folder, policy = adapted
    for name in ("tokenizer_config.json", "tokenizer.json", "processor_config.json", "chat_template.jinja"):
        (folder.path / name).unlink()
    assert load_policy(folder).processor.chat_template == policy.processor.chat_template


def test_a_failed_save_leaves_the_old_folder(tiny_policy, base, monkeypatch) -> None:
    monkeypatch.setattr(tiny_policy.processor, "save_pretrained", lambda path: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_policy(tiny_policy, base.path)
    assert (base.path / "tokenizer.json").is_file()
    assert [path.name for path in base.path.parent.iterdir()] == ["sft"]


def test_an_adapter_on_a_base_that_was_never_saved_is_refused(tiny_policy, tmp_path) -> None:
    policy = Policy(add_lora(tiny_policy.model, LoraParams(rank=2)), tiny_policy.processor)
    with pytest.raises(SoundmindError, match="never saved"):
        save_policy(policy, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_missing_and_empty_folders(tmp_path) -> None:
    with pytest.raises(SoundmindError, match="does not exist"):
        load_policy(tmp_path / "nowhere")
    with pytest.raises(SoundmindError, match=r"neither config.json nor adapter_config.json"):
        load_policy(tmp_path)
    with pytest.raises(SoundmindError, match="No policy can be read from org/model"):
        load_policy("org/model")


def test_a_whole_omni_checkpoint_gives_its_thinker(tiny_policy, base) -> None:
    """The 7B's layout: the Thinker's configuration and weights stand below a prefix, beside those that speak."""
    weights = {f"thinker.{name}": tensor for name, tensor in load_file(base.path / "model.safetensors").items()}
    save_file({**weights, "talker.proj.weight": torch.ones(2, 2)}, base.path / "model.safetensors", {"format": "pt"})
    config = json.loads((base.path / "config.json").read_text())
    (base.path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_omni", "thinker_config": config}))
    assert torch.equal(logits(load_policy(base).model), logits(tiny_policy.model))


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("change", [{"intermediate_size": 96}, {"num_hidden_layers": 3}])
def test_a_config_of_another_model_size(base, change: dict[str, int]) -> None:
    config = base.path / "config.json"
    text = json.loads(config.read_text())["text_config"]
    edit(config, text_config={**text, **change, "layer_types": None})
    with pytest.raises(SoundmindError, match=r"config\.json") as caught:
        load_policy(base)
    assert str(base.path) in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("change", [{"ffn_dim": 96}, {"layers": 1}, {"layers": 3}])
def test_an_adapter_on_a_base_of_another_size(base, adapted, tiny_params, change: dict[str, int]) -> None:
    folder, policy = adapted
    other = build_thinker(tiny_params.model_copy(update=change), policy.processor, seed=0)
    save_policy(Policy(other, policy.processor), base.path)
    with pytest.raises(SoundmindError, match="does not fit its base") as caught:
        load_policy(folder)
    assert "language_model.layers" in str(caught.value)


def test_broken_files(base, adapted) -> None:
    folder, _ = adapted
    (folder.path / "adapter_model.safetensors").unlink()
    with pytest.raises(SoundmindError, match="adapter in"):
        load_policy(folder)
    edit(folder.path / "adapter_config.json", base_model_name_or_path=None)
    with pytest.raises(SoundmindError, match="names no base"):
        load_policy(folder)
    weights = base.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(SoundmindError, match="No policy can be read"):
        load_policy(base)
    (base.path / "config.json").write_text("{")
    with pytest.raises(SoundmindError, match="No policy can be read"):
        load_policy(base)


def test_a_dtype_that_is_none(base) -> None:
    assert load_policy(base, dtype="bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(SoundmindError, match="'float31'"):
        load_policy(base, dtype="float31")


def test_handles_need_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys; import soundmind_pipeline.policy.folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
