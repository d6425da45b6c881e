"""Putting problems to a policy: who hears what, and that answers land where they belong."""

from types import SimpleNamespace

import numpy as np
import pytest

from soundmind_pipeline.evaluation.conditions import Condition, conditions
from soundmind_pipeline.evaluation.controls import controlled_log_mels, shuffled_uids
from soundmind_pipeline.evaluation.params import EvaluationParams, SampledParams
from soundmind_pipeline.evaluation.predict import Examiner, cpu_threads, load_examiner
from soundmind_pipeline.policy.folder import save_policy
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer


class Encoder:
    """Prompts that remember what they were made of."""

    def encode(self, user_content, log_mel, modality):
        return SimpleNamespace(text=user_content, log_mel=log_mel, modality=modality)


class Oracle:
    """Answers each question with its reference; a spoken one is known by the first value of its log-mel."""

    def __init__(self, samples, asked=(1, 0.0)):
        self.batches, self.prompts, self.asked, self.seeds = [], [], asked, []
        self.by_text = dict(zip(samples["user_content"], samples["reference_answer"], strict=True))
        self.by_place = samples["reference_answer"].tolist()

    def generate(self, prompts, sampling, generator=None, progress=None):
        assert (sampling.n, sampling.temperature, sampling.max_new_tokens) == (*self.asked, 77)
        self.batches.append(len(prompts))
        self.prompts += prompts
        self.seeds.append(generator.initial_seed())
        said = [self.by_text[p.text] if p.modality == "text" else self.by_place[int(p.log_mel[0, 0])] for p in prompts]
        # Of several answers to a question the first is the reference, and the others are told apart by their length.
        said = [text + " hm" * k for text in said for k in range(sampling.n)]
        return SimpleNamespace(completions=said, finished=[True] * len(said))

    @property
    def policy(self):
        decode = SimpleNamespace(batch_decode=lambda completions, skip_special_tokens: completions)
        return SimpleNamespace(processor=SimpleNamespace(tokenizer=decode))


@pytest.fixture
def few(samples):
    # Lengths in another order than the rows, so that batches by length shuffle them.
    return samples.head(20).assign(question_seconds=[(7 * i) % 20 for i in range(20)])


@pytest.fixture
def log_mels(few):
    return {uid: np.full((20, 128), place, np.float32) for place, uid in enumerate(few["uid"])}


@pytest.fixture
def examine(few, log_mels):
    def run(condition, log_mels=log_mels):
        oracle = Oracle(few)
        params = EvaluationParams(max_new_tokens=77, batch_rows=8, seed=5)
        examiner = Examiner("rl", oracle.policy, oracle, Encoder(), Scorer(RewardParams()), params)
        return examiner.predict(few, log_mels, condition), oracle

    return run


@pytest.mark.parametrize("setting", ["audio_to_text", "text_to_text", "audio_text_to_text"])
def test_answers_land_on_their_problems(examine, few, setting):
    table, oracle = examine(Condition(setting))
    assert oracle.batches == [8, 8, 4]
    assert table["uid"].tolist() == few["uid"].tolist()
    assert table["response"].tolist() == few["reference_answer"].tolist()
    assert table["right"].tolist() == (~few["label_conflict"]).tolist()
    assert not table["right"].all()  # the teacher errs, and the label decides
    assert table["format_valid"].all()
    assert table["restated"].all()
    assert table["reasoning_valid"].all()
    # A slip under an opposite claim still ends in the right verdict: right, but not for the right reason.
    assert table.loc[table["reasoning_correct"], "right"].all()
    assert 0 < table["reasoning_correct"].sum() < table["right"].sum()
    assert (table["reward_length_text"] == 1.0).all()
    assert table["reward"].tolist() == [4.0 if right else 2.0 for right in table["right"]]
    assert set(table["setting"]) == {setting}
    assert table["heard_uid"].tolist() == ([None] * 20 if setting == "text_to_text" else few["uid"].tolist())
    assert table["question_seconds"].tolist() == few["question_seconds"].tolist()
    assert table["reasoning_tokens"].tolist() == table["reference_tokens"].tolist()
    inner = [text.split("<think>")[1].split("</think>")[0] for text in few["reference_answer"]]
    assert table["reference_tokens"].tolist() == [len(text.split()) for text in inner]


def test_a_question_that_is_heard_and_read_comes_both_ways(examine, few):
    _, oracle = examine(Condition("audio_text_to_text"))
    assert {prompt.modality for prompt in oracle.prompts} == {"audio_text"}
    by_text = dict(zip(few["user_content"], range(20), strict=True))
    assert all(by_text[prompt.text] == prompt.log_mel[0, 0] for prompt in oracle.prompts)


def test_several_answers_stand_one_after_the_other(few, log_mels):
    oracle = Oracle(few, asked=(3, 0.7))
    params = EvaluationParams(max_new_tokens=77, batch_rows=8, seed=5)
    examiner = Examiner("rl", oracle.policy, oracle, Encoder(), Scorer(RewardParams()), params)
    drawn = SampledParams(n=3, problems=5, temperature=0.7)
    table = examiner.sample(few, log_mels, Condition("audio_to_text"), drawn)
    assert oracle.batches == [2, 2, 1]  # 8 rows hold two questions of three answers
    assert oracle.seeds == [5, 5, 5]
    assert table["uid"].tolist() == [uid for uid in few["uid"].head(5) for _ in range(3)]
    assert table["sample"].tolist() == [0, 1, 2] * 5
    assert table["response"].tolist() == [
        text + " hm" * k for text in few["reference_answer"].head(5) for k in range(3)
    ]
    assert set(table["temperature"]) == {0.7}
    assert table["format_valid"].tolist() == [True, False, False] * 5


def test_problems_of_like_length_are_asked_together(examine, few):
    _, oracle = examine(Condition("text_to_text"))
    length = dict(zip(few["user_content"], few["question_seconds"], strict=True))
    assert [length[prompt.text] for prompt in oracle.prompts] == sorted(few["question_seconds"])


def test_shuffled_problems_get_each_others_audio(examine, few):
    table, oracle = examine(Condition("audio_to_text", "shuffled"))
    donors = shuffled_uids(few["uid"].tolist(), 5)
    reference = dict(zip(few["uid"], few["reference_answer"], strict=True))
    assert table["heard_uid"].tolist() == [donors[uid] for uid in table["uid"]]
    assert table["response"].tolist() == [reference[donors[uid]] for uid in table["uid"]]
    assert all(prompt.modality == "audio" for prompt in oracle.prompts)
    assert not table["restated"].any()


def test_silence_hides_the_audio(examine, log_mels):
    silent = controlled_log_mels("silence", log_mels, {}, {}, seed=0)
    table, oracle = examine(Condition("audio_to_text", "silence"), silent)
    assert {float(prompt.log_mel.max()) for prompt in oracle.prompts} == {-1.5}
    assert all(prompt.log_mel.shape == (20, 128) for prompt in oracle.prompts)
    assert table["heard_uid"].isna().all()


def test_conditions_are_all_settings_and_the_controls():
    keys = [condition.key for condition in conditions(("silence", "noise_0db"))]
    settings = ["audio_to_text", "text_to_text", "audio_text_to_text"]
    assert keys == [*settings, "audio_to_text/silence", "audio_to_text/noise_0db"]
    assert [condition.key for condition in conditions(())] == settings


def test_a_real_policy_is_loaded_and_answers_the_same_twice(tiny_policy, few, log_mels, tmp_path):
    folder = save_policy(tiny_policy, tmp_path / "policy")
    params = EvaluationParams(max_new_tokens=5, batch_rows=4)
    examiner = load_examiner("sft", folder, "does it follow?", RewardParams(), params)
    first = examiner.predict(few.head(6), log_mels, Condition("audio_to_text"))
    again = examiner.predict(few.head(6), log_mels, Condition("audio_to_text"))
    assert first.equals(again)
    assert (first["tokens"] <= 5).all()
    assert first["tokens"].min() >= 1
    assert not first["right"].any()
    assert not first["finished"].all()


def test_answers_drawn_at_random_are_seeded_and_differ(tiny_policy, few, log_mels, tmp_path):
    folder, drawn = save_policy(tiny_policy, tmp_path / "policy"), SampledParams(n=3, problems=4)
    tables = []
    for seed in (0, 0, 1):
        params = EvaluationParams(max_new_tokens=5, batch_rows=6, seed=seed)
        examiner = load_examiner("sft", folder, "does it follow?", RewardParams(), params)
        tables.append(examiner.sample(few, log_mels, Condition("text_to_text"), drawn))
    assert tables[0].equals(tables[1])
    assert tables[0]["response"].tolist() != tables[2]["response"].tolist()
    assert tables[0].groupby("uid")["response"].nunique().max() > 1


def test_an_answer_does_not_depend_on_its_batch(tiny_policy, few, log_mels, tmp_path):
    folder = save_policy(tiny_policy, tmp_path / "policy")
    responses = []
    for rows in (1, 8):
        params = EvaluationParams(max_new_tokens=6, batch_rows=rows)
        examiner = load_examiner("sft", folder, "does it follow?", RewardParams(), params)
        responses.append(examiner.predict(few.head(8), log_mels, Condition("text_to_text"))["response"].tolist())
    assert responses[0] == responses[1]


def test_lengths_are_measured_in_the_policys_tokens(tiny_policy, few, tmp_path):
    examiner = load_examiner("sft", save_policy(tiny_policy, tmp_path / "p"), "", RewardParams(), EvaluationParams())
    reference = few.at[0, "reference_answer"]
    half = "<think> if </think> Answer: entailed."
    tokens = [len(examiner.policy.processor.tokenizer(text)["input_ids"]) for text in (" if ", reference[8:-31])]
    score = examiner.scorer.score(half, 1, reference)
    assert 0 < score.length_text < 1
    assert score.length_text == pytest.approx(tokens[0] / tokens[1], rel=0.25)


def test_threads_are_set_for_the_while():
    import torch

    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with cpu_threads(None):
        assert torch.get_num_threads() == before
