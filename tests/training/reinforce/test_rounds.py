"""Questions, samples and micro-batches of a round, without a model."""

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
import torch

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.prompts import Prompt, PromptEncoder
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.training.params import DevParams, RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.experience import row_groups, weigh
from soundmind_pipeline.training.reinforce.figures import sample_figures
from soundmind_pipeline.training.reinforce.losses import BatchTotals
from soundmind_pipeline.training.reinforce.params import AlgorithmParams
from soundmind_pipeline.training.reinforce.prompts import Question, QuestionSource
from soundmind_pipeline.training.reinforce.rollouts import Samples, sample_informative, tied_questions
from soundmind_pipeline.training.reinforce.update import Agreement, UpdateBatch, update_policy

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)
RIGHT, WRONG, BAD = "<think> a b. </think> Answer: entailed.", "<think> a b. </think> Answer: not entailed.", "a b"
SCORER = Scorer(RewardParams())


def samples(*groups: list[str], prompts: list[int] | None = None, lengths: list[list[int]] | None = None) -> Samples:
    """Responses in groups, one a question with label 1; prompt and completion lengths as given, else 3 and 4."""
    questions = [
        Question(Prompt((7,) * (prompts[i] if prompts else 3)), "audio" if i % 2 else "text", 1, RIGHT)
        for i in range(len(groups))
    ]
    flat_lengths = [n for row in lengths for n in row] if lengths else [4] * sum(map(len, groups))
    return Samples(
        questions,
        len(groups[0]),
        [[5] * n for n in flat_lengths],
        [torch.full((n,), -0.5) for n in flat_lengths],
        [text != BAD for group in groups for text in group],
        [SCORER.score(text, 1, RIGHT) for group in groups for text in group],
        [None] * len(flat_lengths),
    )


@pytest.fixture(scope="module")
def source(toy, tiny_processor):
    def make(ranks=ALONE, **params):
        settings = RlParams(prompts_per_step=6, dev=DevParams(problems=5), **params)
        return QuestionSource(*toy, PromptEncoder(tiny_processor, ""), settings, ranks)

    return make


def identity(question: Question) -> tuple:
    return question.prompt.token_ids, question.modality, question.label


def test_a_round_has_its_share_of_heard_questions(source):
    assert [q.modality for q in source(audio_share=0.5).of_round(1)] == ["audio"] * 3 + ["text"] * 3
    assert all(q.prompt.log_mel is None for q in source(audio_share=0.0).of_round(1))


def test_ranks_ask_what_one_process_would(source):
    alone = [identity(question) for question in source().of_round(3)]
    shares = [[identity(q) for q in source(Ranks(rank, 2, CPU)).of_round(3)] for rank in range(2)]
    assert [question for pair in zip(*shares, strict=True) for question in pair] == alone


def test_replacements_keep_the_modality_and_depend_on_the_attempt(source):
    tied = source().of_round(1)[2:4]
    first, second = (source().in_place_of(tied, 1, attempt) for attempt in (1, 2))
    assert [question.modality for question in first] == ["audio", "text"]
    assert [identity(q) for q in first] == [identity(q) for q in source().in_place_of(tied, 1, 1)]
    assert [identity(q) for q in first] != [identity(q) for q in second]


def test_dev_questions_are_the_first_of_the_split(source, toy):
    asked = source().dev("text")
    assert [question.label for question in asked] == toy[0].query("split == 'dev'")["label"].tolist()[:5]


def test_a_question_without_audio_is_named(toy, tiny_processor):
    encoder = PromptEncoder(tiny_processor, "")
    silent = QuestionSource(toy[0], {}, encoder, RlParams(prompts_per_step=4, audio_share=1.0), ALONE)
    with pytest.raises(SoundmindError, match="has no log-mel"):
        silent.of_round(1)
    with pytest.raises(SoundmindError, match="no train rows"):
        QuestionSource(pd.DataFrame(toy[0].head(0)), {}, encoder, RlParams(), ALONE)


def test_groups_stay_within_the_budget_and_keep_questions_together():
    # Costs 5 + 2·2 = 9, 3 + 2·4 = 11, 3 + 2·1 = 5, 2 + 2·3 = 8: the budget holds two of 11, then 8 with 5.
    batch = samples(*[[RIGHT, WRONG]] * 4, prompts=[5, 3, 3, 2], lengths=[[2, 1], [4, 3], [1, 1], [3, 3]])
    assert row_groups(batch, 22) == [[2, 3, 0, 1], [6, 7, 4, 5]]


def test_a_question_too_long_for_the_budget_is_divided():
    batch = samples([RIGHT] * 5, prompts=[10], lengths=[[6, 6, 6, 6, 6]])
    assert row_groups(batch, 23) == [[0, 1], [2, 3], [4]]
    assert row_groups(batch, 1) == [[0], [1], [2], [3], [4]]


def test_every_row_is_in_one_group_whatever_the_budget():
    lengths = [[1, 9, 4], [7, 7, 2], [3, 3, 3], [8, 1, 1]]
    batch = samples(*[[RIGHT] * 3] * 4, prompts=[4, 2, 9, 5], lengths=lengths)
    for budget in (1, 10, 25, 60, 1000):
        groups = row_groups(batch, budget)
        assert sorted(row for group in groups for row in group) == list(range(12))
        for group in groups:
            owners = [row // 3 for row in group]
            assert len(set(owners)) == 1 + sum(a != b for a, b in pairwise(owners)), "rows of a question stand together"


def test_tied_questions_earned_the_same_throughout():
    batch = samples([RIGHT, RIGHT], [RIGHT, WRONG], [WRONG, WRONG], [BAD, WRONG])
    assert tied_questions(batch, "answer") == [0, 2, 3]
    assert tied_questions(batch, "total") == [0, 2]
    assert tied_questions(batch.of([]), "total") == []


def test_dynamic_sampling_replaces_tied_questions_until_attempts_run_out():
    draws = iter([
        samples([RIGHT, WRONG], [RIGHT, RIGHT], [WRONG, WRONG]),
        samples([WRONG, RIGHT], [RIGHT, RIGHT]),
        samples([WRONG, WRONG]),
    ])  # fmt: skip
    asked = []

    def sample(questions):
        asked.append(len(questions))
        return next(draws)

    attempts = []
    kept = sample_informative(
        sample, lambda tied, attempt: attempts.append(attempt) or list(tied), [None] * 3, "answer", 3
    )
    assert (asked, attempts) == ([3, 2, 1], [1, 2])
    assert [score.answer for score in kept.scores] == [2.0, 0.0, 0.0, 2.0, 0.0, 0.0]
    assert len(kept.questions) == 3 and len(kept.completions) == 6


def test_dynamic_sampling_stops_when_nothing_is_tied():
    kept = sample_informative(
        lambda questions: samples([RIGHT, WRONG]), lambda *_: pytest.fail("no need"), [None], "answer", 4
    )
    assert len(kept.questions) == 1


def test_rewards_become_advantages():
    """Totals 4 and 2 of tokens 1:3, no KL: mean 2.5, deviation √0.75, by eq. 7."""
    batch = samples([RIGHT, WRONG], lengths=[[1, 3]])
    experience = weigh(batch, None, RlParams(algorithm=AlgorithmParams(kl_beta=0.0)), CPU)
    assert experience.tokens.tolist() == [[True, False, False], [True, True, True]]
    expected = [(4 - 2.5) / 0.75**0.5, 0, 0], [(2 - 2.5) / 0.75**0.5] * 3
    assert torch.allclose(experience.advantages, torch.tensor(expected), atol=1e-6)


def test_truncated_and_overlong_responses():
    batch = samples([RIGHT, BAD], lengths=[[1, 10]])
    params = RlParams(
        sampling=SamplingParams(n=2, max_new_tokens=10),
        algorithm=AlgorithmParams(kl_beta=0.0, whitening=False, overlong=0.5, mask_truncated=False),
    )
    # The second hits the limit of 10: penalty -1 on a reward of 0.
    assert weigh(batch, None, params, CPU).advantages[:, 0].tolist() == [4.0, -1.0]
    masked = params.model_copy(update={"algorithm": params.algorithm.model_copy(update={"mask_truncated": True})})
    assert not weigh(batch, None, masked, CPU).mask[1].any()


def test_figures_are_means_over_responses():
    figures = sample_figures(samples([RIGHT, RIGHT], [WRONG, BAD], lengths=[[2, 4], [6, 8]]), ALONE)
    assert figures["reward/total"] == pytest.approx((4 + 4 + 2 + 0) / 4)
    assert figures["reward/accuracy"] == 0.5
    assert (figures["reward/text_accuracy"], figures["reward/audio_accuracy"]) == (1.0, 0.0)
    assert (figures["rollout/length"], figures["rollout/truncated"], figures["rollout/tied_groups"]) == (5.0, 0.25, 0.5)


def test_an_idle_batch_weighs_nothing_and_agreement_is_pearsons():
    experience = weigh(samples([RIGHT, WRONG], lengths=[[1, 3]]), None, RlParams(), CPU)
    batch = UpdateBatch.of(experience, [1], BatchTotals(4.0, 2.0, 8))
    assert batch.tokens.shape == (1, 3) and not batch.idle().mask.any()
    agreement = Agreement(ALONE)
    old = torch.tensor([[-1.0, -2.0, -4.0]])
    agreement.add(replace(batch, sampled_log_probs=old), torch.tensor([[-1.0, -2.0, -3.0]]))
    expected = torch.corrcoef(torch.tensor([[-1.0, -2.0, -4.0], [-1.0, -2.0, -3.0]]))[0, 1].item()
    assert agreement.figures() == pytest.approx({"agreement": expected, "disagreement": 1.0})


class Recorder:
    """Stands for the engine: takes down the prompt lengths that each optimisation step was given."""

    ranks, module = ALONE, torch.nn.Identity()

    def __init__(self):
        self.steps = [[]]

    def accumulate(self, batch):
        self.steps[-1] += [len(prompt) for prompt in batch.prompts]
        return 0.5, {"log_probs": batch.old_log_probs - len(self.steps)}

    def update(self, lr):
        self.steps.append([])
        return 1.0


def test_each_epoch_goes_over_the_whole_batch_in_an_order_of_its_own():
    params = RlParams(epochs=3, minibatches=2, sampling=SamplingParams(n=2, max_new_tokens=8))
    batch = samples(*[[RIGHT, WRONG]] * 6, prompts=[3, 4, 5, 6, 7, 8])
    recorder = Recorder()
    means = update_policy(recorder, weigh(batch, None, params, CPU), params, step=1, lr=0.1)
    steps = recorder.steps[:-1]
    epochs = [steps[at] + steps[at + 1] for at in (0, 2, 4)]
    assert len(steps) == 6 and all(sorted(each) == sorted([3, 4, 5, 6, 7, 8] * 2) for each in epochs)
    assert len({tuple(sorted(first)) for first in steps[::2]}) > 1
    # One micro-batch a step; what sampler and trainer make of the tokens is compared in the first step alone.
    assert (means["loss"], means["grad_norm"], means["disagreement"]) == (0.5, 1.0, 1.0)


def test_without_a_shared_prefix_every_row_costs_its_prompt():
    rows = samples([RIGHT, BAD], [RIGHT, BAD], prompts=[10, 4], lengths=[[2, 6], [3, 3]])
    assert row_groups(rows, 32, share_prefix=False) == [[1, 0], [2, 3]]  # 16, 12 | 7, 7 tokens
    assert row_groups(rows, 15, share_prefix=False) == [[1], [0], [2, 3]]
