import json
import shutil
import weakref

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.policy.folder import save_policy
from soundmind_pipeline.policy.talker import TalkerEngine
from soundmind_pipeline.policy.talker_params import TalkerParams
from soundmind_pipeline.speech.engines.engine import UnspeakableError, Utterance
from soundmind_pipeline.speech.engines.long import LONGEST_CHUNK, speak_long, split_text, write_wav_chunks

TEXT = "tom is happy so anna is rich."


def open_talker(folder, **params) -> TalkerEngine:
    return TalkerEngine(TalkerParams(**{"model": str(folder), "dtype": "float32", "max_new_tokens": 200} | params))


def speak(engine, text=TEXT, voice="Chelsie") -> np.ndarray:
    (wave,) = engine.speak_many([Utterance(text, voice)])
    return wave


@pytest.fixture(scope="module")
def engine(tiny_omni):
    with open_talker(tiny_omni) as engine:
        yield engine


@pytest.fixture
def checkpoint(tiny_omni, tmp_path):
    """A copy of the checkpoint that a test may spoil."""
    return shutil.copytree(tiny_omni, tmp_path / "omni")


def test_a_text_becomes_a_wav_file(engine, tmp_path) -> None:
    seconds = write_wav_chunks(tmp_path / "a.wav", [speak(engine)])
    wave, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 16_000 and len(wave) / rate == seconds
    assert 0.2 < seconds < 4 and 0.01 < np.abs(wave).max() < 1
    # 20 ms a speech token, at 24 kHz and at 16 kHz
    assert len(wave) % 320 == 0


def test_a_wave_depends_on_text_voice_and_seed_only(engine, tiny_omni) -> None:
    first = speak(engine)
    assert first.dtype == np.float32
    state = torch.get_rng_state()
    others = [speak(engine, "anna is poor."), speak(engine, voice="Ethan")]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert speak(engine).tobytes() == first.tobytes()
    with open_talker(tiny_omni) as again, open_talker(tiny_omni, seed=1) as seeded:
        assert speak(again).tobytes() == first.tobytes()
        others.append(speak(seeded))
    assert len({wave.tobytes() for wave in (first, *others)}) == 4


@pytest.mark.parametrize("text", [TEXT, "a", "tom <|im_end|> is <|AUDIO|> happy"])
def test_the_talker_hears_the_thinker_write_exactly_the_text(engine, monkeypatch, text) -> None:
    speak(engine)
    model = engine._model
    heard, written = {}, {}
    talker, thinker = model.model.talker.generate, model.model.thinker.generate

    def listening(**kwargs):
        heard.update({name: value.clone() for name, value in kwargs.items() if torch.is_tensor(value)})
        return talker(**kwargs)

    def writing(**kwargs):
        written["prompt"] = kwargs["input_ids"]
        written["result"] = thinker(**kwargs)
        return written["result"]

    monkeypatch.setattr(model.model.talker, "generate", listening)
    monkeypatch.setattr(model.model.thinker, "generate", writing)
    speak(engine, text)

    tokenizer, prompt = model.processor.tokenizer, written["prompt"]
    length = prompt.shape[1]
    reply = written["result"].sequences[0, length:]
    assert tokenizer.decode(reply[:-1]) == text and reply[-1] == tokenizer.eos_token_id
    assert not set(reply[:-1].tolist()) & set(tokenizer.all_special_ids)

    # What the talker got is what one pass of the thinker over prompt and text gives: its last states plus embeddings.
    with torch.no_grad():
        whole = torch.cat([prompt, reply[None, :-1]], dim=1)
        hidden = model.model.thinker(input_ids=whole, output_hidden_states=True).hidden_states
        embed = model.model.thinker.get_input_embeddings()
        stream = hidden[0] + hidden[-1]
        begin, end, pad = (embed(torch.tensor([[index]])) for index in (13, 11, 12))
    expected_start = torch.cat([stream[:, :length], begin, stream[:, length : length + 1]], dim=1)
    expected_rest = torch.cat([stream[:, length + 1 :], end, pad], dim=1)
    torch.testing.assert_close(heard["inputs_embeds"], expected_start, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(heard["thinker_reply_part"], expected_rest, rtol=1e-4, atol=1e-5)


def test_the_prompt_asks_for_speech_and_shows_the_text(engine, monkeypatch) -> None:
    speak(engine)
    seen = []
    generate = engine._model.model.generate
    monkeypatch.setattr(
        engine._model.model, "generate", lambda **kwargs: seen.append(kwargs["input_ids"]) or generate(**kwargs)
    )
    speak(engine)
    prompt = engine._model.processor.tokenizer.decode(seen[0][0])
    assert prompt.startswith("<|im_start|>system\nYou are Qwen, a virtual human developed by the Qwen Team")
    assert f"<|im_start|>user\n{TEXT}\nRead this text aloud, word for word.<|im_end|>" in prompt


def test_a_long_text_is_streamed_to_its_file(engine, tmp_path) -> None:
    text = " ".join([TEXT, "either anna is poor or tom is not sad."] * 30)
    chunks = split_text(text)
    assert len(chunks) >= 5 and max(map(len, chunks)) <= LONGEST_CHUNK
    alive, most, spoken = [], 0, []

    def watched(waves):
        nonlocal most
        for wave in waves:
            alive.append(weakref.ref(wave))
            most = max(most, sum(reference() is not None for reference in alive))
            spoken.append(len(wave))
            yield wave

    path = tmp_path / "long.wav"
    (seconds,) = (write_wav_chunks(path, watched(waves)) for waves in speak_long(engine, [Utterance(text, "Chelsie")]))
    assert len(spoken) == len(chunks) and most <= 2
    wave, _ = soundfile.read(path, dtype="float32")
    pause = np.zeros(round(engine.pause_seconds * 16_000), np.float32)
    parts = [part for chunk in chunks for part in (speak(engine, chunk), pause)][:-1]
    assert seconds == len(wave) / 16_000
    np.testing.assert_allclose(wave, np.concatenate(parts), atol=1 / 32768)


def test_speech_that_does_not_end_is_cut_and_told(tiny_omni, engine, caplog) -> None:
    whole = speak(engine)
    assert not caplog.records
    with open_talker(tiny_omni, max_new_tokens=5) as hasty:
        wave = speak(hasty)
    assert len(wave) == 5 * 320 < len(whole)
    assert f"did not come to an end of {TEXT!r} within 5 speech tokens (0.1 s)" in caplog.text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_smaller_weights_speak_too(tiny_omni, dtype) -> None:
    with open_talker(tiny_omni, dtype=dtype, do_sample=False) as engine:
        wave = speak(engine)
    assert np.isfinite(wave).all() and np.abs(wave).max() > 0.01


def test_the_weights_are_read_with_the_first_text(tiny_omni) -> None:
    engine = open_talker(tiny_omni)
    waves = engine.speak_many(Utterance(TEXT, "Chelsie") for _ in range(10**9))
    assert engine._model is None
    next(waves)
    assert engine._model is not None
    engine.close()
    assert engine._model is None


class TestThinkerOfAPolicy:
    @pytest.fixture
    def adapter(self, checkpoint, tmp_path):
        """An adapter on the checkpoint's own thinker, as RL leaves it."""
        from soundmind_pipeline.policy.adapters import add_lora
        from soundmind_pipeline.policy.folder import Policy, load_policy
        from soundmind_pipeline.policy.params import LoraParams

        policy = load_policy(checkpoint)
        model = add_lora(policy.model, LoraParams(rank=4))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(std=0.2, generator=torch.Generator().manual_seed(0))
        return save_policy(Policy(model, policy.processor), tmp_path / "rl_policy")

    def states(self, model, ids) -> torch.Tensor:
        with torch.no_grad():
            return model(input_ids=ids, output_hidden_states=True).hidden_states[-1]

    def test_an_adapter_is_merged_into_the_thinker(self, checkpoint, adapter) -> None:
        from soundmind_pipeline.policy.folder import load_policy

        with open_talker(checkpoint) as plain, open_talker(checkpoint, adapter=str(adapter.path)) as tuned:
            waves = [speak(plain), speak(tuned)]
            ids = torch.tensor([tuned._model.reply_ids(TEXT)])
            states = self.states(tuned._model.model.thinker, ids)
            expected = self.states(load_policy(adapter).model, ids)
            torch.testing.assert_close(states, expected, rtol=1e-4, atol=1e-5)
            assert (states - self.states(plain._model.model.thinker, ids)).abs().max() > 0.01
            assert not any("lora" in name for name, _ in tuned._model.model.named_parameters())
            described = tuned.describe()
        assert waves[0].tobytes() != waves[1].tobytes()
        assert described["adapter"] == {
            "adapter_model.safetensors": sha256_of(adapter.path / "adapter_model.safetensors"),
            "base/model.safetensors": sha256_of(checkpoint / "model.safetensors"),
            "base/spk_dict.pt": sha256_of(checkpoint / "spk_dict.pt"),
        }

    def test_a_whole_policy_takes_the_thinkers_place(self, checkpoint, tiny_policy, tmp_path) -> None:
        tiny_policy.model.model.language_model.layers[0].mlp.up_proj.weight.data.mul_(3)
        folder = save_policy(tiny_policy, tmp_path / "sft")
        ids = torch.arange(20, 40).unsqueeze(0)
        with open_talker(checkpoint, adapter=str(folder.path)) as engine:
            speak(engine)
            thinker = engine._model.model.thinker
            assert torch.equal(self.states(thinker, ids), self.states(tiny_policy.model, ids))

    def test_a_policy_of_another_size_is_refused(self, checkpoint, tiny_params, tiny_processor, tmp_path) -> None:
        from soundmind_pipeline.policy.folder import Policy
        from soundmind_pipeline.policy.nano import build_thinker

        wider = build_thinker(tiny_params.model_copy(update={"hidden_dim": 64}), tiny_processor, seed=0)
        save_policy(Policy(wider, tiny_processor), tmp_path / "wide")
        with (
            open_talker(checkpoint, adapter=str(tmp_path / "wide")) as engine,
            pytest.raises(SoundmindError, match=r"wide \(width 64, .* does not fit the talker.* width 32"),
        ):
            speak(engine)

    def test_an_adapter_that_is_no_folder_is_told_at_once(self, tiny_omni) -> None:
        with pytest.raises(SoundmindError, match="adapter nowhere/rl is no folder"):
            open_talker(tiny_omni, adapter="nowhere/rl")


class TestWhatCannotSpeak:
    def test_an_unknown_voice_is_told_with_those_there_are(self, tiny_omni, engine) -> None:
        with pytest.raises(SoundmindError, match="no voice 'Cherry'") as told:
            open_talker(tiny_omni, speaker="Cherry")
        assert told.value.hint == "Its voices are Chelsie, Ethan."
        with pytest.raises(SoundmindError, match="no voice 'Cherry'"):
            speak(engine, voice="Cherry")

    @pytest.mark.parametrize("manner", [{"speed": 1.0}, {"words_per_minute": 160}, {"pitch": 50}])
    def test_rates_are_refused(self, engine, manner) -> None:
        with pytest.raises(SoundmindError, match="takes no rate and no pitch"):
            next(engine.speak_many([Utterance(TEXT, "Chelsie", **manner)]))

    def test_a_thinker_alone(self, tiny_policy, tmp_path) -> None:
        folder = save_policy(tiny_policy, tmp_path / "sft").path
        with pytest.raises(SoundmindError, match=r"sft has no talker \(it is a qwen2_5_omni_thinker\)"):
            open_talker(folder)

    def test_a_checkpoint_whose_talker_was_taken_off(self, checkpoint) -> None:
        config = json.loads((checkpoint / "config.json").read_text())
        (checkpoint / "config.json").write_text(json.dumps(config | {"enable_audio_output": False}))
        with pytest.raises(SoundmindError, match="has no talker"):
            open_talker(checkpoint)

    def test_missing_or_damaged_voices(self, checkpoint) -> None:
        (checkpoint / "spk_dict.pt").write_bytes(b"no voices")
        with pytest.raises(SoundmindError, match=r"spk_dict.pt cannot be read"):
            open_talker(checkpoint)
        (checkpoint / "spk_dict.pt").unlink()
        with pytest.raises(SoundmindError, match=r"has no voices: spk_dict.pt is missing"):
            open_talker(checkpoint)

    def test_voices_that_would_run_code_are_refused(self, checkpoint) -> None:
        import pathlib

        torch.save({"Chelsie": pathlib.PurePosixPath("x")}, checkpoint / "spk_dict.pt")
        with pytest.raises(SoundmindError, match=r"spk_dict.pt cannot be read"):
            open_talker(checkpoint)

    def test_weights_without_a_tensor_of_the_talker(self, checkpoint) -> None:
        weights = load_file(checkpoint / "model.safetensors")
        del weights["talker.codec_head.weight"]
        save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})
        with pytest.raises(SoundmindError, match=r"lack 1 tensors .* talker.codec_head.weight"):
            speak(open_talker(checkpoint))

    def test_a_wave_that_is_no_sound(self, checkpoint) -> None:
        weights = load_file(checkpoint / "model.safetensors")
        weights["token2wav.code2wav_bigvgan_model.conv_post.weight"].fill_(float("inf"))
        save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})
        with pytest.raises(UnspeakableError, match=f"could not speak '{TEXT}': its wave holds NaN"):
            speak(open_talker(checkpoint))

    def test_nowhere(self) -> None:
        with pytest.raises(SoundmindError, match="no folder Qwen/Nowhere, and it cannot be fetched"):
            open_talker("Qwen/Nowhere")
        with pytest.raises(SoundmindError, match="no folder a/b/c"):
            open_talker("a/b/c")

    def test_more_speech_than_token2wav_has_places_for(self, checkpoint) -> None:
        config = json.loads((checkpoint / "config.json").read_text())
        config["token2wav_config"]["dit_config"]["max_position_embeddings"] = 8
        (checkpoint / "config.json").write_text(json.dumps(config))
        with pytest.raises(SoundmindError, match=f"cannot speak '{TEXT}'.*max_position_embeddings"):
            speak(open_talker(checkpoint))


def test_the_description_names_weights_and_sampling(engine, tiny_omni) -> None:
    described = engine.describe()
    assert described["engine"].startswith("Qwen2.5-Omni talker (transformers ")
    assert described["weights"] == {name: sha256_of(tiny_omni / name) for name in ("model.safetensors", "spk_dict.pt")}
    assert (described["seed"], described["temperature"], described["dtype"]) == (0, 0.9, "float32")
    assert "adapter" not in described and json.loads(json.dumps(described)) == described
