"""What the paper reports (arXiv 2506.12935), as data, and what of it can be compared with a run of this project.

Accuracies and word error rates are shares, not percentages. Table 3 stands in
:mod:`soundmind_pipeline.problems.published.table3`, for the audit needs it too. Its number is the paper's; those of
tables 4 to 7 follow the order in which the paper reports its results: audio → text, text → audio, audio → audio,
ablation.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

TEST_ITEMS: Final = 656
"""Size of the test split that every accuracy of the paper was measured on."""


class Reported(NamedTuple):
    """One result of the paper."""

    accuracy: float
    """Share of right verdicts, read from the text of the answer."""
    wer: float | None = None
    """Word error rate of the spoken answer against its text; None where the answer is text."""


BASE_MODEL: Final = "Qwen2.5-Omni-7B"
RESULTS: Final[Mapping[str, tuple[Reported, Reported]]] = {
    "audio_to_text": (Reported(0.7759), Reported(0.8140)),
    "text_to_audio": (Reported(0.8079, 0.0218), Reported(0.8384, 0.0699)),
    "audio_to_audio": (Reported(0.7759, 0.0223), Reported(0.8140, 0.0895)),
}
"""Tables 4 to 6: setting → (Qwen2.5-Omni-7B, the same after SoundMind-RL)."""

OTHER_MODELS: Final[Mapping[str, Reported]] = {
    "Qwen2-Audio": Reported(0.5823),
    "Baichuan-Omni-1.5": Reported(0.7058),
    "MiniCPM-o": Reported(0.7317),
    "Gemini-Pro-1.5": Reported(0.7454),
}
"""Table 4: audio → text of other models, worst first."""

ABLATION: Final[Mapping[str, tuple[str, Reported]]] = {
    "full": ("all five rewards", Reported(0.8140)),
    "no_audio": ("without audio rewards (λ2 = λ5 = 0)", Reported(0.7082)),
    "no_answer": ("without answer reward (λ3 = 0)", Reported(0.6024)),
    "no_text": ("without text rewards (λ1 = λ4 = 0, λ2 = λ5 = 1)", Reported(0.4884)),
}
"""Table 7: name of the arm → (its rewards, audio → text)."""


class Caveat(NamedTuple):
    """One reason why a number of the paper and one of ours do not measure the same thing."""

    what: str
    paper: str
    ours: str


def caveats(evaluation: Mapping[str, Any], verified: bool) -> list[Caveat]:
    """What differs between the paper's numbers and this run's.

    Args:
        evaluation: The content of ``evaluation.json``.
        verified: Whether the problems are this project's own, with labels that are proved.
    """
    n = max((cell["n"] for settings in evaluation["policies"].values() for cell in settings.values()), default=0)
    spoken = _spoken(evaluation)
    ours = {
        "problems": f"{n:,} generated problems of formal logic, labels proved; "
        "an accuracy says how hard these problems are, not how good a model is at the paper's"
        if verified
        else f"{n:,} problems of the same published data set",
        "policies": "the policy that this run trained: after SFT, and after RL; its size stands in the parameters",
        "error": "95% Wilson intervals; differences paired on the same problems (bootstrap, exact McNemar)",
        "recogniser": f"spoken by {spoken.get('speaker', 'the engine named below')}, recognised by "
        f"{spoken.get('recogniser', 'the recogniser named below')}; both texts lower-cased, numbers and punctuation "
        "normalised"
        if spoken
        else "answers were not spoken in this run",
        "tokens": "tokens of the run's own tokenizer; seconds of its own speech engine",
    }
    return [
        Caveat(
            "problems",
            f"{TEST_ITEMS} test items made from LogiQA 2.0-NLI, labels a teacher's verdicts",
            ours["problems"],
        ),
        Caveat("policies", f"{BASE_MODEL}, before and after SoundMind-RL", ours["policies"]),
        Caveat(
            "uncertainty",
            f"bare percentages; the intervals shown are Wilson's for {TEST_ITEMS} items, computed here",
            ours["error"],
        ),
        Caveat("word error rate", "recogniser and text normalisation are not named", ours["recogniser"]),
        Caveat("lengths", f"tokens of {BASE_MODEL}, seconds of MegaTTS 3", ours["tokens"]),
    ]


def _spoken(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    cells = (cell for settings in evaluation["policies"].values() for cell in settings.values())
    return next((cell["spoken"] for cell in cells if cell.get("spoken")), {})
