"""An exported policy serves those who have nothing but PEFT and transformers."""

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from soundmind_pipeline.commands.export_model import export_model
from soundmind_pipeline.commands.main import soundmind
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.folder import Policy, load_policy, save_policy
from soundmind_pipeline.policy.params import LoraParams
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_DTYPES
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.stages import StageRecord, StageRecords

TEXT = "if tom is happy then anna is rich"
OTHERS = """
import json, sys
sys.modules["soundmind_pipeline"] = None  # importing it is an error
from pathlib import Path
import torch
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration as Thinker
folder = Path(sys.argv[1])
if (folder / "adapter_config.json").exists():
    from peft import PeftModel
    base = folder / json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    model = PeftModel.from_pretrained(Thinker.from_pretrained(base), folder)
else:
    model = Thinker.from_pretrained(folder)
tokens = torch.tensor([AutoTokenizer.from_pretrained(folder)(sys.argv[2])["input_ids"]])
with torch.no_grad():
    torch.save(model.eval()(tokens).logits, sys.argv[3])
"""


@pytest.fixture
def project(tmp_path, tiny_policy):
    """A project with a policy after SFT, an adapter after RL, and what a run leaves beside them."""
    root = tmp_path / "project"
    for env in ("base", "other"):
        (root / "conf" / env).mkdir(parents=True)
    (root / "conf" / "base" / "globals.yml").write_text("data: data\n")
    models, reporting = root / "data" / "06_models", root / "data" / "08_reporting"
    base = save_policy(tiny_policy, models / "sft")
    adapted = add_lora(load_policy(base).model, LoraParams(rank=2))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    save_policy(Policy(adapted, tiny_policy.processor), models / "rl_policy")
    record = StageRecord("rl", 12.0, {"rl.steps": 20, "rl.threads": 2}, "lineage-1", "2026-11-23T12:00:00", "c0ffee")
    StageRecords(reporting / "stages").write(record)
    result = {"accuracy": 0.875, "ci95": [0.8, 0.9], "n": 24, "format_valid": 1.0}
    evaluation = {"policies": {"rl": {"audio_to_text": result}}, "controls": {"silence": {"accuracy": 0.5}}}
    (reporting / "evaluation.json").write_text(json.dumps(evaluation))
    rows = generate_samples(VerifiedParams(counts={"train": 4, "dev": 2, "test": 1}))
    (root / "data" / "03_primary").mkdir()
    table = rows.reindex(columns=list(SAMPLE_DTYPES)).astype(SAMPLE_DTYPES)
    table.to_parquet(root / "data" / "03_primary" / "manifest.parquet")
    return root


def run(project, out, *options):
    return CliRunner().invoke(export_model, ["--out", str(out), "--project", str(project), *options])


def others_logits(folder, tmp_path):
    path = tmp_path / "logits.pt"
    command = [sys.executable, "-c", OTHERS, str(folder), TEXT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(path)


def our_logits(folder):
    policy = load_policy(folder)
    with torch.no_grad():
        return policy.model(torch.tensor([policy.processor.tokenizer(TEXT)["input_ids"]])).logits


def test_the_adapter_serves_plain_peft_wherever_it_is_moved(project, tmp_path):
    done = run(project, tmp_path / "out")
    assert done.exit_code == 0, done.output
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    expected = our_logits(project / "data" / "06_models" / "rl_policy")
    (project / "data").rename(tmp_path / "gone")
    assert torch.equal(others_logits(moved, tmp_path), expected)
    assert json.loads((moved / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"


def test_the_merged_checkpoint_serves_plain_transformers(project, tmp_path):
    done = run(project, tmp_path / "out", "--merged")
    assert done.exit_code == 0, done.output
    merged = others_logits(tmp_path / "out", tmp_path)
    expected = our_logits(project / "data" / "06_models" / "rl_policy")
    torch.testing.assert_close(merged, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(merged, our_logits(project / "data" / "06_models" / "sft"), atol=1e-3)
    assert not list((tmp_path / "out").glob("adapter*"))


def test_the_sft_policy_is_a_whole_model(project, tmp_path):
    assert run(project, tmp_path / "out", "--policy", "sft").exit_code == 0
    assert torch.equal(others_logits(tmp_path / "out", tmp_path), our_logits(project / "data" / "06_models" / "sft"))


def test_the_card_tells_data_settings_metrics_limits_and_provenance(project, tmp_path):
    run(project, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| train | 4 |" in card and "Sources: verified" in card
    assert "| steps | `20` |" in card and "threads" not in card
    assert "| audio to text | rl | 24 | 0.875 | 0.800 to 0.900 | 1.000 |" in card
    assert "(silence) the final policy reaches 0.500" in card
    assert "nano policy" in card
    assert "commit c0ffee" in card and "`adapter_model.safetensors`: SHA-256" in card
    assert str(project) not in card


def test_a_card_without_records_says_so(project, tmp_path):
    for path in ("03_primary/manifest.parquet", "08_reporting/evaluation.json", "08_reporting/stages/rl.json"):
        (project / "data" / path).unlink()
    run(project, tmp_path / "out", "--merged")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.count("not there when this card was written") == 2
    assert "has not been evaluated" in card


def test_nothing_else_is_overwritten(project, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("")
    for options in ((), ("--force",)):
        assert isinstance(run(project, out, *options).exception, SoundmindError)
    assert [path.name for path in out.iterdir()] == ["mine"]
    assert run(project, tmp_path / "new").exit_code == 0
    assert isinstance(run(project, tmp_path / "new").exception, SoundmindError)
    assert run(project, tmp_path / "new", "--force", "--merged").exit_code == 0


def test_an_environment_has_its_own_policies(project, tmp_path):
    (project / "conf" / "other" / "globals.yml").write_text("data: elsewhere\n")
    error = run(project, tmp_path / "out", "--env", "other").exception
    assert isinstance(error, SoundmindError) and "elsewhere" in error.message
    assert "no folder conf/none" in run(project, tmp_path / "out", "--env", "none").exception.message


def test_it_is_a_command_of_soundmind():
    assert soundmind.commands["export-model"] is export_model
