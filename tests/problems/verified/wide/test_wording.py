"""Wordings: many ways to say one thing, and no way to say two."""

import dataclasses
import itertools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.problems.verified.logic import Literal
from soundmind_pipeline.problems.verified.wide import lexicon, phrases, propositional
from soundmind_pipeline.problems.verified.wide.argument import Argument
from soundmind_pipeline.problems.verified.wide.statements import CATEGORICAL, SCOPES, Statement, fact, statement
from soundmind_pipeline.problems.verified.wide.wording import past, say, texts_of

PERSONS = (("tom", "happy"), ("anna", "rich"), ("peter", "calm"))
CLASSES = (("artist",), ("baker",), ("poet",))
VERBS = (("trust",), ("admire",), ("help",))


def problem(claim, *premises, words=PERSONS, place="", **changes):
    bare = Argument("conditional", "MP", words, place, premises, 0, (), claim, "natural", False, 0)
    return dataclasses.replace(bare, **changes)


def every_way(argument, said):
    return {say(argument, said, random.Random(seed)) for seed in range(300)}


PLAIN = [
    (fact(0), "Tom is happy", 1),
    (fact(1, False), "Anna is not rich", 1),
    (statement("if", 0, 1), "if Tom is happy, then Anna is rich", 10),
    (statement("iff", 0, 1), "Tom is happy if and only if Anna is rich", 5),
    (statement("xor", 0, 1), "exactly one of these is true: Tom is happy; Anna is rich", 4),
    (statement("or", 0, 1), "at least one of these is true: Tom is happy; Anna is rich", 5),
    (statement("or", 0, 1, 2), "at least one of these is true: Tom is happy; Anna is rich; Peter is calm", 3),
    (statement("all", 0, 1), "all artists are bakers", 6),
    (statement("no", 1, 0), "no bakers are artists", 5),
    (statement("some", 0, 1), "some artists are bakers", 4),
    (statement("some_not", 0, 1), "some artists are not bakers", 5),
    (statement("every_some", 0), "everyone in the club trusts someone or other in the club", 3),
    (statement("one_by_all", 1), "there is one person in the club whom everyone in the club admires", 3),
    (statement("one_to_all", 1), "there is one person in the club who admires everyone in the club", 3),
    (statement("every_by_some", 0), "everyone in the club is trusted by someone or other in the club", 3),
    (statement("within", 0, 1), "whoever in the club trusts a person in the club also admires that person", 4),
    (Statement("every_some", (Literal(0, False),)), "it is not the case that everyone in the club trusts", 6),
]


@pytest.mark.parametrize(("said", "plain", "ways"), PLAIN)
def test_each_kind_has_a_plain_wording_and_others(said, plain, ways):
    if said.kind in CATEGORICAL:
        argument = problem(said, said, words=CLASSES)
    elif said.kind in (*SCOPES, "within"):
        argument = problem(said, said, words=VERBS, place="club")
    else:
        argument = problem(said, said)
    assert say(argument, said).startswith(plain)
    assert len(every_way(argument, said)) == ways


def test_no_wording_of_a_propositional_statement_says_another_thing():
    literals = [Literal(atom, sign) for atom in (0, 1) for sign in (True, False)]
    statements = [
        Statement(kind, pair)
        for kind in ("if", "iff", "or", "xor")
        for pair in itertools.product(literals, repeat=2)
        if pair[0].atom != pair[1].atom
    ]
    meaning = {}
    for said in statements:
        for text in every_way(problem(said, said), said):
            assert meaning.setdefault(text, propositional.truth_table(said, 2)) == propositional.truth_table(said, 2), (
                text
            )


@pytest.mark.parametrize(("kinds", "words"), [(CATEGORICAL, CLASSES), ((*SCOPES, "within"), VERBS)])
def test_no_wording_of_another_statement_says_two_things(kinds, words):
    meaning = {}
    for kind, pair in itertools.product(kinds, itertools.permutations(range(3), 2)):
        said = statement(kind, *(pair[:1] if kind in SCOPES else pair))
        for text in every_way(problem(said, said, words=words, place="club" if words is VERBS else ""), said):
            assert meaning.setdefault(text, said) == said, text


HAPPY, RICH = "Tom is happy", "Anna is rich"
TRICKY = {
    # Read by hand: what each says of Tom's being happy (0) and Anna's being rich (1), or of artists (0) and bakers (1).
    f"{RICH} if {HAPPY}": statement("if", 0, 1),
    f"{RICH}, provided that {HAPPY}": statement("if", 0, 1),
    f"{HAPPY} only if {RICH}": statement("if", 0, 1),
    f"unless Tom is not happy, {RICH}": statement("if", 0, 1),
    f"unless {HAPPY}, {RICH}": Statement("if", (Literal(0, False), Literal(1, True))),
    f"it cannot be that {HAPPY} unless {RICH}": statement("if", 0, 1),
    f"in case {HAPPY}, it is certain that {RICH}": statement("if", 0, 1),
    f"either {HAPPY}, or {RICH}, or both": statement("or", 0, 1),
    f"either {HAPPY} or {RICH}, but not both": statement("xor", 0, 1),
    f"{HAPPY} exactly when {RICH}": statement("iff", 0, 1),
    "only bakers are artists": statement("all", 0, 1),
    "there are no artists that are not bakers": statement("all", 0, 1),
    "every artist is something other than a baker": statement("no", 0, 1),
    "not all artists are bakers": statement("some_not", 0, 1),
    "not every artist is a baker": statement("some_not", 0, 1),
    # trust (0), admire (1)
    "for each member of the club, there is somebody in the club whom they trust": statement("every_some", 0),
    "for each member of the club, there is somebody in the club who trusts them": statement("every_by_some", 0),
    "nobody in the club fails to trust at least one person in the club": statement("every_some", 0),
    "nobody in the club fails to be trusted by at least one person in the club": statement("every_by_some", 0),
    "a single person in the club is trusted by all of the club": statement("one_by_all", 0),
    "a single person in the club trusts all of the club": statement("one_to_all", 0),
    "there is somebody in the club who is trusted by each member of the club": statement("one_by_all", 0),
    "there is somebody in the club by whom each member of the club is trusted": statement("one_to_all", 0),
    "nobody in the club trusts a person there without admiring them": statement("within", 0, 1),
    "in the club, to trust someone is to admire them too": statement("within", 0, 1),
}


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_wordings_mean_what_they_say(text):
    said = TRICKY[text]
    words = CLASSES if said.kind in CATEGORICAL else VERBS if said.kind in (*SCOPES, "within") else PERSONS
    assert text in every_way(problem(said, said, words=words, place="club" if words is VERBS else ""), said)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_texts_are_whole_sentences_that_can_be_spoken(draw_any, seed):
    texts = texts_of(draw_any(seed))
    for text in texts:
        assert re.fullmatch(r"[A-Z][A-Za-z ,;:.?]*[.?]", text), text
        assert "  " not in text and ".." not in text
    for sentence in texts.question.split(". "):
        assert re.search(r"[A-Za-z]", sentence)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_the_question_holds_minor_premise_and_claim(draw_any, seed):
    argument = draw_any(seed)
    texts = texts_of(argument)
    question = texts.question.lower()
    assert texts.minor_premise.lower().rstrip(".") in question
    assert texts.conclusion.lower().rstrip(".") in question
    for sentence in texts.major_premise.lower().split(". "):
        assert sentence.rstrip(".") in question
    for place, premise in enumerate(argument.premises):
        # Without its last letter: "advise" is "advising" in one wording.
        assert all(any(word[:-1] in question for word in argument.words[atom]) for atom in premise.atoms), place


def test_another_seed_words_the_same_problem_otherwise(draw_any):
    argument = draw_any(5)
    wordings = {texts_of(dataclasses.replace(argument, wording=seed)).question for seed in range(50)}
    assert len(wordings) > 40
    assert texts_of(argument) == texts_of(Argument.from_json(argument.to_json()))


def test_every_frame_is_used(frame):
    openings = [re.escape(f.split("{")[0]) for f in phrases.FRAMES if not f.startswith("{")]
    for opening in openings:
        assert frame["user_content"].str.match(opening).sum() > 20, opening


def test_default_words_inflect_as_the_phrases_need():
    assert [past(verb) for verb in ("admire", "trust")] == ["admired", "trusted"]
    # Whatever takes -es, doubles a letter or turns y into i would be misspelt.
    assert not [word for word in (*lexicon.VERBS, *lexicon.CLASSES) if re.search(r"(s|x|z|ch|sh|[^aeiou]y)$", word)]
    assert not [verb for verb in lexicon.VERBS if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb)]
