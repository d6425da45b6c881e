import json

import pytest
from click.testing import CliRunner

from soundmind_pipeline.commands.plan import plan
from soundmind_pipeline.errors import SoundmindError


def run(*arguments):
    return CliRunner().invoke(plan, list(arguments), catch_exceptions=False)


@pytest.mark.parametrize("env", ["soundmind_7b_1gpu", "soundmind_7b_8gpu", "soundmind_7b_multinode"])
def test_every_7b_environment_fits_its_gpus(env):
    done = run("--env", env, "--json")
    document = json.loads(done.output)
    assert document["fits"]
    assert document["parameters"]["audio_tower"] == 639_647_232
    assert document["jobs"][-1][0] == 50_000
    assert document["world_size"] == (1 if env.endswith("1gpu") else 8)


def test_the_nano_job_is_planned_from_its_own_dimensions():
    done = run()
    assert "fits" in done.output
    assert "activations" in done.output
    assert "50,000 steps" in done.output


def test_less_memory_does_not_fit():
    assert "DOES NOT FIT" in run("--env", "soundmind_7b_1gpu", "--gpu-memory", "24").output


def test_wrong_names_are_refused_with_the_right_ones():
    with pytest.raises(SoundmindError, match="no folder conf/nowhere") as caught:
        run("--env", "nowhere")
    assert "soundmind_7b_8gpu" in caught.value.hint
    with pytest.raises(SoundmindError, match="h100"):
        run("--gpu", "abacus")
