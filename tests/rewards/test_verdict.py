"""Adversarial tables for the strict parser: one row a string, with the verdict or the reason for having none."""

import pytest

from soundmind_pipeline.rewards.verdict import END_OF_TURN, parse_verdict, reasoning_of

E, N = "entailed", "not entailed"

# What follows "<think>r</think>\nAnswer:" or, in plain, "r\nAnswer:": the ending grammar is the same in both styles.
ENDINGS = [
    (" entailed.", E),
    (" not entailed.", N),
    (" not-entailed.", N),
    (" not_entailed.", N),
    (" ENTAILED", E),
    (" Not Entailed", N),
    (" NOT-ENTAILED!", N),
    ("entailed", E),
    ("not entailed", N),
    ("\nentailed", E),
    ("\t not \t entailed", N),
    (" not\nentailed.", N),
    ("   entailed   \n\n ", E),
    (" entailed\r\n", E),
    ("\u00a0entailed\u00a0", E),
    (' "entailed"', E),
    (' "not entailed."', N),
    (" 'not-entailed'.", N),
    (" “entailed”", E),
    (" ‘not entailed’", N),
    (" «entailed».", E),
    (" `entailed`", E),
    (" **entailed**", E),
    (" **not entailed**.", N),
    ("** entailed.**", E),
    (" *not-entailed*", N),
    (" __entailed__", E),
    (" _not_entailed_", N),
    (' **"entailed"**', E),
    (" entailed!!!", E),
    (" entailed?", E),
    (" entailed…", E),
    (" entailed。", E),
    (" entailed )]}", E),
    (" entailed ¿", E),
    (" entailed <", E),
    (" entailed.\n---\n", E),
    (" entailed.\n```", E),
    *((f" not entailed.{token}", N) for token in END_OF_TURN),
    (" entailed<|im_end|>\n<|endoftext|>", E),
    (" entailed.<|im_end|>.", E),
    # no verdict at the marker
    ("", "unknown_verdict"),
    ("   ", "unknown_verdict"),
    (".", "unknown_verdict"),
    (" unknown", "unknown_verdict"),
    (" yes", "unknown_verdict"),
    (" true.", "unknown_verdict"),
    (" 1", "unknown_verdict"),
    (" the conclusion is entailed.", "unknown_verdict"),
    (" it is not entailed", "unknown_verdict"),
    (" either entailed or not entailed", "unknown_verdict"),
    (" notentailed", "unknown_verdict"),
    (" not--entailed", "unknown_verdict"),
    (" not - entailed", "unknown_verdict"),
    (" non-entailed", "unknown_verdict"),
    (" unentailed", "unknown_verdict"),
    (" never entailed", "unknown_verdict"),
    (" not not entailed", "unknown_verdict"),
    (" not **entailed**", "unknown_verdict"),
    (" **not** entailed", "unknown_verdict"),
    (" entailedness", "unknown_verdict"),
    (" entailed1", "unknown_verdict"),
    (" entails", "unknown_verdict"),
    (" entailment", "unknown_verdict"),
    (" entaild", "unknown_verdict"),
    (" e n t a i l e d", "unknown_verdict"),
    (" en-tailed", "unknown_verdict"),
    (" (entailed)", "unknown_verdict"),
    (" [not entailed]", "unknown_verdict"),
    (" \\boxed{entailed}", "unknown_verdict"),
    (" <b>entailed</b>", "unknown_verdict"),
    (": entailed", "unknown_verdict"),
    (" - entailed", "unknown_verdict"),
    (" not", "unknown_verdict"),
    (" не entailed", "unknown_verdict"),
    # look-alikes and invisible characters
    (" \u0435ntailed", "unknown_verdict"),  # Cyrillic е
    (" ent\u0430iled", "unknown_verdict"),  # Cyrillic а
    (" n\u043et entailed", "unknown_verdict"),  # Cyrillic о
    (" \uff45\uff4e\uff54\uff41\uff49\uff4c\uff45\uff44", "unknown_verdict"),  # fullwidth
    (" \U0001d41e\U0001d427\U0001d42d\U0001d41a\U0001d422\U0001d425\U0001d41e\U0001d41d", "unknown_verdict"),  # bold
    (" not\u2011entailed", "unknown_verdict"),  # non-breaking hyphen
    (" not\u2013entailed", "unknown_verdict"),  # en dash
    (" ent\u200bailed", "unknown_verdict"),  # zero-width space
    ("\u200bentailed", "unknown_verdict"),
    (" not\u200bentailed", "unknown_verdict"),
    (" \u202eentailed", "unknown_verdict"),  # right-to-left override
    (" entailed\u0301", "trailing_text"),  # combining acute
    (" entailed\u200b", "trailing_text"),
    (" entailed\ufeff", "trailing_text"),
    (" entailed\x00", "trailing_text"),
    (" entailed ✅", "trailing_text"),
    (" entailed \U0001f600", "trailing_text"),
    # text after the verdict
    (" entailed or not entailed", "trailing_text"),
    (" entailed / not entailed", "trailing_text"),
    (" not entailed, or entailed", "trailing_text"),
    (" entailed because it follows", "trailing_text"),
    (" entailed? Not sure.", "trailing_text"),
    (" entailed. The end.", "trailing_text"),
    (" entailed.\n\nI hope this helps!", "trailing_text"),
    (" entailed's", "trailing_text"),
    (" entailed 100%", "trailing_text"),
    (" entailed (high confidence)", "trailing_text"),
    (" entailed.<|im_end|>\n<|im_start|>user\nthanks", "trailing_text"),
    (" entailed.<|im_start|>", "trailing_text"),
    (" entailed.<|AUDIO|>", "trailing_text"),
    (" entailed.<|im_<|im_end|>end|>", "trailing_text"),
    (" entailed.<|endof<|im_end|>text|>", "trailing_text"),
    (" entailed.<br>", "trailing_text"),
    (" entailed. answer", "trailing_text"),
]

# Whole strings in the think format.
THINK = [
    ("<think>r</think>Answer: entailed", E),
    ("<think> r </think> Answer: not entailed.", N),
    ("  \n\t<think>r</think>\nAnswer: entailed.", E),
    ("<think>r</think>answer: entailed", E),
    ("<think>r</think>ANSWER: entailed", E),
    ("<think>r</think>Final answer: entailed", E),
    ("<think>r</think>\n\nSo the claim fails.\n\nAnswer: not entailed.", N),
    ("<think>r</think>\n## Verdict\n**Answer: entailed**", E),
    ("<think>r</think>\n**Answer:** not entailed.", N),
    ("<think>...</think>Answer: entailed", E),
    ("<think>推理</think>Answer: entailed", E),
    ("<think>line\nline</think>\nAnswer: entailed", E),
    # markers in the reasoning never count
    ("<think>Answer: entailed. No: Answer: not entailed.</think>Answer: entailed.", E),
    ("<think>Answer: entailed.</think>", "no_marker"),
    ("<think>r Answer: entailed.</think> I am done.", "no_marker"),
    ("<think>Answer: not entailed.</think>\nAnswer: unknown", "unknown_verdict"),
    # several markers after the reasoning
    ("<think>r</think>Answer: entailed. Answer: entailed.", E),
    ("<think>r</think>Answer: not-entailed.\nAnswer: not entailed.", N),
    ("<think>r</think>Answer: entailed. Answer: not entailed.", "conflicting_verdicts"),
    ("<think>r</think>Answer: not entailed. Wait. Answer: entailed.", "conflicting_verdicts"),
    ("<think>r</think>Answer: **entailed**. Answer: not_entailed", "conflicting_verdicts"),
    ("<think>r</think>Answer: entailed. Answer: not entailed. Answer: entailed.", "conflicting_verdicts"),
    ("<think>r</think>Answer: entailed. Answer:", "unknown_verdict"),
    ("<think>r</think>Answer: entailed. Answer: unknown", "unknown_verdict"),
    ("<think>r</think>Answer: hm. Answer: entailed.", E),
    ("<think>r</think>Answer: Answer: entailed.", E),
    ("<think>r</think>Answer: entailedness. Answer: not entailed.", N),
    # the marker itself
    ("<think>r</think>entailed", "no_marker"),
    ("<think>r</think>", "no_marker"),
    ("<think>r</think>Answer entailed", "no_marker"),
    ("<think>r</think>Answer is entailed", "no_marker"),
    ("<think>r</think>Answer : entailed", "no_marker"),
    ("<think>r</think>Answer\uff1a entailed", "no_marker"),  # fullwidth colon
    ("<think>r</think>\u0410nswer: entailed", "no_marker"),  # Cyrillic А
    ("<think>r</think>An\u017fwer: entailed", "no_marker"),  # long s
    ("<think>r</think>An\u200bswer: entailed", "no_marker"),
    ("<think>r</think>**Answer**: entailed", "no_marker"),
    ("<think>r</think>Nonanswer: entailed", "no_marker"),
    ("<think>r</think>Verdict: entailed", "no_marker"),
    ("<think>r</think>A: entailed", "no_marker"),
    ("<think>r</think>Antwort: entailed", "no_marker"),
    # empty reasoning
    ("<think></think>Answer: entailed", "empty_reasoning"),
    ("<think> \n\t </think>Answer: entailed", "empty_reasoning"),
    ("<think>\u00a0\u3000</think>Answer: entailed", "empty_reasoning"),
    ("<think>\u200b\u200d\ufeff</think>Answer: entailed", "empty_reasoning"),
    ("<think>\x00\x01</think>Answer: entailed", "empty_reasoning"),
    # tags
    ("", "tag_count"),
    ("   ", "tag_count"),
    ("Answer: entailed", "tag_count"),
    ("r\nAnswer: entailed.", "tag_count"),
    ("<think>r\nAnswer: entailed.", "tag_count"),
    ("r</think>\nAnswer: entailed.", "tag_count"),
    ("<think>a<think>b</think></think>Answer: entailed", "tag_count"),
    ("<think>a</think><think>b</think>Answer: entailed", "tag_count"),
    ("<think><think>a</think>Answer: entailed", "tag_count"),
    ("<think>a</think></think>Answer: entailed", "tag_count"),
    ("<think>a</think>Answer: entailed</think>", "tag_count"),
    ("<think>a</think>Answer: entailed<think>", "tag_count"),
    ("<think>a<think>Answer: entailed", "tag_count"),
    ("<THINK>a</THINK>Answer: entailed", "tag_count"),
    ("<think >a</think>Answer: entailed", "tag_count"),
    ("< think>a< /think>Answer: entailed", "tag_count"),
    ("<think/>a</think>Answer: entailed", "tag_count"),
    ("<thinking>a</thinking>Answer: entailed", "tag_count"),
    ("<th\u200bink>a</think>Answer: entailed", "tag_count"),
    ("\uff1cthink\uff1ea</think>Answer: entailed", "tag_count"),
    ("<th\u0456nk>a</think>Answer: entailed", "tag_count"),  # Ukrainian і
    ("&lt;think&gt;a&lt;/think&gt;Answer: entailed", "tag_count"),
    ("</think>a<think>Answer: entailed", "tag_order"),
    ("</think><think>Answer: entailed", "tag_order"),
    ("Sure! <think>a</think>Answer: entailed", "not_at_start"),
    (".<think>a</think>Answer: entailed", "not_at_start"),
    ("Answer: entailed.<think>a</think>Answer: entailed", "not_at_start"),
    ("\ufeff<think>a</think>Answer: entailed", "not_at_start"),
    ("\u200b<think>a</think>Answer: entailed", "not_at_start"),
    ("**<think>a</think>Answer: entailed**", "not_at_start"),
    ("```\n<think>a</think>Answer: entailed\n```", "not_at_start"),
    ("<|im_start|>assistant\n<think>a</think>Answer: entailed<|im_end|>", "not_at_start"),
    ("<s><think>a</think>Answer: entailed", "not_at_start"),
    # malformed tags inside well-formed ones are ordinary text
    ("<think>a <THINK> b</think>Answer: entailed", E),
    ("<think>a <|im_end|> b</think>Answer: entailed", E),
    ("<think>a </think >b</think>Answer: not entailed", N),
]

# Whole strings in the plain format.
PLAIN = [
    ("r\n\n\n\nAnswer: entailed.", E),
    ("r Answer: not entailed.", N),
    ('Hence, the answer should be "not entailed."\n\n\n\nAnswer: not entailed.', N),
    ("**Step 1**: r\n\n**Answer: not entailed**", N),
    # the last marker counts, whatever the reasoning says
    ("Maybe Answer: entailed. No.\nAnswer: not entailed.", N),
    ("Answer: entailed.\nAnswer: not entailed.", N),
    ("r\nAnswer: entailed.\nAnswer: unknown", "unknown_verdict"),
    ("r\nAnswer: entailed.\nBut then again.", "trailing_text"),
    ("r\nAnswer: entailed.\nMy answer:", "unknown_verdict"),
    ("", "no_marker"),
    ("\n", "no_marker"),
    ("entailed", "no_marker"),
    ("So the conclusion is not entailed.", "no_marker"),
    ("r\nAnswer is entailed.", "no_marker"),
    ("Answer: entailed.", "empty_reasoning"),
    (" \n Answer: entailed.", "empty_reasoning"),
    ("\u200b Answer: entailed.", "empty_reasoning"),
    ("<think>r</think>\nAnswer: entailed.", "unexpected_tag"),
    ("<think>r\nAnswer: entailed.", "unexpected_tag"),
    ("r</think>\nAnswer: entailed.", "unexpected_tag"),
    ("r\nAnswer: entailed.</think>", "unexpected_tag"),
]


def test_the_tables_are_large_and_free_of_duplicates():
    for table in (ENDINGS, THINK, PLAIN):
        assert len({text for text, _ in table}) == len(table)
    assert 2 * len(ENDINGS) + len(THINK) + len(PLAIN) >= 300


def _outcome(text, style):
    parsed = parse_verdict(text, style)
    assert (parsed.verdict is None) != (parsed.reason is None)
    assert bool(parsed.reasoning) == (parsed.verdict is not None)
    return parsed.verdict or parsed.reason


@pytest.mark.parametrize(("ending", "expected"), ENDINGS, ids=[ascii(text) for text, _ in ENDINGS])
@pytest.mark.parametrize(("style", "opening"), [("think", "<think>r</think>\nAnswer:"), ("plain", "r\nAnswer:")])
def test_endings(style, opening, ending, expected):
    assert _outcome(opening + ending, style) == expected


@pytest.mark.parametrize(("text", "expected"), THINK, ids=[ascii(text) for text, _ in THINK])
def test_think(text, expected):
    assert _outcome(text, "think") == expected


@pytest.mark.parametrize(("text", "expected"), PLAIN, ids=[ascii(text) for text, _ in PLAIN])
def test_plain(text, expected):
    assert _outcome(text, "plain") == expected


def test_reasoning_is_what_stands_between_tags_or_before_the_last_marker():
    assert parse_verdict("<think> a b </think> so Answer: entailed", "think").reasoning == " a b "
    assert parse_verdict("a Answer: b Answer: entailed", "plain").reasoning == "a Answer: b "


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>a b</think>\nAnswer: entailed", "a b"),
        ("x <think>a</think> b</think> c", "a</think> b"),
        ("</think>a<think>", "</think>a<think>"),
        ("a b\nAnswer: hm", "a b\n"),
        ("<think>a b Answer: entailed", "<think>a b "),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_reasoning_of_a_reference_in_either_style(text, reasoning):
    assert reasoning_of(text) == reasoning
