"""How far one gets without reasoning: classifiers that see too little to solve the problems.

Each is fitted on the training problems' labels and scored on held-out problems. An accuracy well above one half says
that the sample set gives its labels away, and an accuracy of a policy is worth what it has above the best of them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.problems.verified.families import Problem
from soundmind_pipeline.problems.verified.problems import VerifiedProblem, read_problem
from soundmind_pipeline.problems.verified.wide.statements import Statement

Feature = Callable[[VerifiedProblem], Hashable]


def claim_sign(problem: VerifiedProblem) -> Hashable:
    """Whether the claim affirms; of a wide problem, what kind of statement it is and the signs of its terms."""
    return problem.claim.positive if isinstance(problem, Problem) else _marks(problem.claim)


def minor_sign(problem: VerifiedProblem) -> Hashable:
    """The same of the minor premise."""
    return problem.minor.positive if isinstance(problem, Problem) else _marks(problem.premises[problem.minor])


def connective(problem: VerifiedProblem) -> Hashable:
    """The family; of a wide problem, the kinds of its relevant premises."""
    if isinstance(problem, Problem):
        return problem.family
    return tuple(sorted((premise.kind, len(premise.terms)) for premise in problem.core))


def major_signs(problem: VerifiedProblem) -> Hashable:
    """The signs of the major premise; of a wide problem, of all its relevant premises, in no order."""
    return problem.major if isinstance(problem, Problem) else tuple(sorted(map(_marks, problem.core)))


def _marks(statement: Statement) -> tuple[str, tuple[bool, ...]]:
    return statement.kind, tuple(term.positive for term in statement.terms)


SIGN_FEATURES: dict[str, Feature] = {
    "prior": lambda problem: 0,
    "claim_sign": claim_sign,
    "minor_sign": minor_sign,
    "minor_and_claim_signs": lambda problem: (minor_sign(problem), claim_sign(problem)),
    "connective": connective,
    "connective_and_claim_sign": lambda problem: (connective(problem), claim_sign(problem)),
    "connective_and_minor_sign": lambda problem: (connective(problem), minor_sign(problem)),
    "connective_and_signs": lambda problem: (
        connective(problem),
        major_signs(problem),
        minor_sign(problem),
        claim_sign(problem),
    ),
}
"""Majority votes over a few surface marks; none sees *which* side of the major premise the minor premise names.

Of a wide problem they even know which premises are relevant, but not which statements speak of the same things."""

BIGRAM_VIEWS: dict[str, tuple[str, ...]] = {
    "claim_bigrams": ("conclusion",),
    "minor_bigrams": ("minor_premise",),
    "major_bigrams": ("major_premise",),
    "premises_bigrams": ("major_premise", "minor_premise"),
    "question_bigrams": ("user_content",),
}
"""Logistic regressions on which words and word pairs stand in a part of the question."""


def shortcut_accuracies(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """The held-out accuracy of every shortcut that the rows allow.

    Args:
        train: Rows of the sample table to fit on.
        test: Rows to score on; no leak group in common with ``train`` if the figures are to mean anything.

    Returns:
        The keys of ``SIGN_FEATURES``, of which there is ``prior`` alone where a row's logical form is not known; those
        of ``BIGRAM_VIEWS`` that have a text to read; ``natural_claim`` (entailed exactly if the claim is the tempting
        one: the embedded teacher's greedy verdict), where the kind of every claim is known; ``sampled_teacher`` (the
        reference verdicts themselves, where there are any). The last two are no surface shortcuts: they tell what
        imitating the teacher is worth.
    """
    truth = test["label"].to_numpy(dtype=int)
    predictions = shortcut_predictions(train, test)
    accuracies = {name: float(np.mean(predicted == truth)) for name, predicted in predictions.items()}
    if test["claim_kind"].notna().all():
        accuracies["natural_claim"] = float(np.mean((test["claim_kind"] == "natural").to_numpy() == (truth == 1)))
    told = test["reference_verdict"].notna().to_numpy()
    if told.any():
        verdicts = (test["reference_verdict"] == "entailed").to_numpy(dtype=int)
        accuracies["sampled_teacher"] = float(np.mean((verdicts == truth)[told]))
    return accuracies


def shortcut_predictions(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """What each surface shortcut says of each row of ``test``.

    Args:
        train: Rows of the sample table to fit on.
        test: Rows to predict; their labels are not looked at.

    Returns:
        The keys of ``SIGN_FEATURES`` and ``BIGRAM_VIEWS`` that the rows allow, each with labels 0 or 1: int [rows].
    """
    labels = train["label"].to_numpy(dtype=int)
    predictions = _sign_votes(train, labels, test)
    for name, columns in BIGRAM_VIEWS.items():
        train_texts, test_texts = (_join(frame, columns) for frame in (train, test))
        if any(text.strip() for text in train_texts):
            predictions[name] = _bigram_regression(train_texts, labels, test_texts)
    return predictions


def _sign_votes(train: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predictions of the majority votes over surface marks."""
    if not all(frame["problem"].notna().all() for frame in (train, test)):
        return {"prior": _majority_vote([0] * len(train), labels, [0] * len(test))}
    known, asked = ([read_problem(text) for text in frame["problem"]] for frame in (train, test))
    return {
        name: _majority_vote(map(feature, known), labels, map(feature, asked))
        for name, feature in SIGN_FEATURES.items()
    }


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
    """The named text columns of each row, one after the other; a null is no text."""
    return [" ".join(texts) for texts in zip(*(frame[column].fillna("") for column in columns), strict=True)]
