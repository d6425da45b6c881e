"""How far one gets on verified problems without reasoning: classifiers that see too little to solve them.

Each is fitted on the training problems' labels and scored on held-out problems. An accuracy well above one half says
that the sample set gives its labels away, and an accuracy of a policy is worth what it has above the best of them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.problems.verified.families import Problem

Feature = Callable[[Problem], Hashable]

SIGN_FEATURES: dict[str, Feature] = {
    "prior": lambda problem: 0,
    "claim_sign": lambda problem: problem.claim.positive,
    "minor_sign": lambda problem: problem.minor.positive,
    "minor_and_claim_signs": lambda problem: (problem.minor.positive, problem.claim.positive),
    "connective": lambda problem: problem.family,
    "connective_and_claim_sign": lambda problem: (problem.family, problem.claim.positive),
    "connective_and_minor_sign": lambda problem: (problem.family, problem.minor.positive),
    "connective_and_signs": lambda problem: (
        problem.family,
        problem.major,
        problem.minor.positive,
        problem.claim.positive,
    ),
}
"""Majority votes over a few surface marks; none sees *which* side of the major premise the minor premise names."""

BIGRAM_VIEWS: dict[str, tuple[str, ...]] = {
    "claim_bigrams": ("conclusion",),
    "minor_bigrams": ("minor_premise",),
    "major_bigrams": ("major_premise",),
    "premises_bigrams": ("major_premise", "minor_premise"),
    "question_bigrams": ("user_content",),
}
"""Logistic regressions on which words and word pairs stand in a part of the question."""


def shortcut_accuracies(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """The held-out accuracy of every shortcut.

    Args:
        train: Rows of the sample table (source ``verified``) to fit on.
        test: Rows to score on; no pair of atoms in common with ``train`` if the figures are to mean anything.

    Returns:
        The keys of ``SIGN_FEATURES`` and ``BIGRAM_VIEWS``; ``natural_claim`` (entailed exactly if the claim is the
        tempting one: the teacher's greedy verdict); ``sampled_teacher`` (the reference verdicts themselves). The last
        two are no surface shortcuts: they tell what imitating the teacher is worth.
    """
    train_labels, test_labels = (frame["label"].to_numpy(dtype=int) for frame in (train, test))
    train_problems, test_problems = ([Problem.from_json(text) for text in frame["problem"]] for frame in (train, test))
    predictions: dict[str, np.ndarray] = {
        name: _majority_vote(map(feature, train_problems), train_labels, map(feature, test_problems))
        for name, feature in SIGN_FEATURES.items()
    }
    for name, columns in BIGRAM_VIEWS.items():
        train_texts, test_texts = (_join(frame, columns) for frame in (train, test))
        predictions[name] = _bigram_regression(train_texts, train_labels, test_texts)
    predictions["natural_claim"] = (test["claim_kind"] == "natural").to_numpy(dtype=int)
    predictions["sampled_teacher"] = (test["reference_verdict"] == "entailed").to_numpy(dtype=int)
    return {name: float(np.mean(predicted == test_labels)) for name, predicted in predictions.items()}


def _majority_vote(train_keys: Iterable[Any], labels: np.ndarray, test_keys: Iterable[Any]) -> np.ndarray:
    """The label that most training rows with the same key carry; unseen keys and ties get the overall majority."""
    overall = int(labels.mean() > 0.5)
    votes: defaultdict[Any, Counter[int]] = defaultdict(Counter)
    for key, label in zip(train_keys, labels.tolist(), strict=True):
        votes[key][label] += 1

    def predict(key: Any) -> int:
        ones, zeros = votes[key][1], votes[key][0]
        return overall if ones == zeros else int(ones > zeros)

    return np.array([predict(key) for key in test_keys], dtype=int)


def _bigram_regression(train_texts: list[str], labels: np.ndarray, test_texts: list[str]) -> np.ndarray:
    """Predictions of a logistic regression on the presence of words and word pairs."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if len(set(labels.tolist())) < 2:
        return np.full(len(test_texts), labels[0], dtype=int)
    words_and_pairs = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\S+")
    model = make_pipeline(words_and_pairs, LogisticRegression(C=1.0, solver="liblinear", random_state=0))
    return np.asarray(model.fit(train_texts, labels).predict(test_texts), dtype=int)


def _join(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """The named text columns of each row, one after the other."""
    return [" ".join(texts) for texts in zip(*(frame[column] for column in columns), strict=True)]
