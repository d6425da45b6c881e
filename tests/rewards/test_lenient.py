import pytest

from soundmind_pipeline.rewards.lenient import WINDOW, parse_verdict_lenient

E, N = "entailed", "not entailed"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Answer: entailed", E),
        ("Answer: not entailed", N),
        ("So the answer is entailed, I hope this helps!", E),
        ("**Answer**: **not** entailed", N),
        ("The conclusion isn't entailed.", N),
        ("The conclusion isn’t logically entailed.", N),
        ("It is not necessarily entailed by them.", N),
        ("It cannot be entailed.", N),
        ("It is non-entailed.", N),
        ("It is unentailed.", N),
        ("not\u2011entailed", N),
        ("ＥＮＴＡＩＬＥＤ", E),
        ("ent\u200bailed", E),
        ("Entailed? No: it is not entailed.", N),
        ("Answer: entailed or not entailed", None),
        ("It is not entailed. Answer: unknown", None),
        ("It is not entailed. That is my answer.", N),
        ("It is not clear. In the end the claim is, as the premises say, entailed.", E),
        ("<think>not entailed</think> The claim is entailed.", E),
        ("<think>not entailed</think> I do not know.", None),
        ("", None),
        ("entails", None),
        ("not entailed " + "x " * WINDOW, None),
    ],
)
def test_lenient_reading(text, verdict):
    assert parse_verdict_lenient(text) == verdict
