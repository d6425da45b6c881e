import numpy as np
import pytest

from soundmind_pipeline.speech.engines.engine import Utterance
from soundmind_pipeline.speech.espeak import synthesize_many
from soundmind_pipeline.speech.params import WellSpokenParams
from soundmind_pipeline.speech.spoken_form import spoken_form
from soundmind_pipeline.speech.well_spoken import ClipFacts, clip_facts, closing_apart, spoken_defect

BOUNDS = WellSpokenParams()
GOOD, CLOSING = ClipFacts(4.0, 3.5, 0.1, -16.0), ClipFacts(1.2, 1.0, 0.1, -16.0)
SILENT = ClipFacts(1.0, 0.0, 1.0, -120.0)


def tone(seconds: float, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(np.arange(round(16_000 * seconds), dtype=np.float32))


def test_a_clip_is_measured_to_the_end_of_its_speech():
    wave = np.concatenate([np.zeros(1600, np.float32), tone(2.0), np.zeros(12_800, np.float32)])
    facts = clip_facts(wave)
    assert facts.seconds == pytest.approx(2.9)
    assert facts.speech_seconds == pytest.approx(2.0, abs=0.03)
    assert facts.tail_seconds == pytest.approx(0.8, abs=0.02)
    assert facts.level_db == pytest.approx(20 * np.log10(0.3 / 2**0.5), abs=0.1)


def test_silence_is_all_tail():
    facts = clip_facts(np.zeros(8000, np.float32))
    assert (facts.speech_seconds, facts.tail_seconds, facts.level_db) == (0.0, 0.5, -120.0)


@pytest.mark.parametrize(
    ("clips", "closing", "closes", "defect"),
    [
        ([GOOD], CLOSING, True, None),
        ([GOOD, GOOD], CLOSING, True, None),
        ([GOOD], None, False, None),
        ([], CLOSING, True, "silent"),
        ([], None, False, "silent"),
        ([GOOD, SILENT], CLOSING, True, "silent"),
        ([ClipFacts(4.0, 3.5, 0.1, -55.0)], CLOSING, True, "silent"),
        ([GOOD], None, True, "closing_silent"),
        ([GOOD], SILENT, True, "closing_silent"),
        ([GOOD], ClipFacts(0.4, 0.3, 0.1, -16.0), True, "closing_silent"),
        ([GOOD], ClipFacts(3.0, 1.0, 1.9, -16.0), True, "cut"),
        ([ClipFacts(4.0, 2.0, 2.0, -16.0), GOOD], CLOSING, True, "cut"),
    ],
)
def test_defects(clips, closing, closes, defect):
    assert spoken_defect(clips, closing, closes, BOUNDS) == defect


@pytest.mark.parametrize("verdict", ["entailed", "not entailed"])
def test_the_closing_phrase_is_told_apart(verdict):
    spoken = spoken_form(f"<think> tom is rich.\n\nso it is. </think> Answer: {verdict}.")
    assert closing_apart(spoken) == ("tom is rich.\nso it is.", f"So the answer is {verdict}.")
    assert closing_apart("tom is rich.\nso it is.") == ("tom is rich.\nso it is.", None)
    assert closing_apart(f"So the answer is {verdict}.") == ("", f"So the answer is {verdict}.")


@pytest.mark.parametrize("words_per_minute", [80, 260, 450])
def test_espeak_speaks_well_at_any_rate_and_not_when_half_is_missing(words_per_minute):
    texts = ["if tom is rich then anna is happy. tom is rich. it follows.", "So the answer is not entailed."]
    body, closing = synthesize_many([Utterance(text, "en-us", words_per_minute, 50) for text in texts])
    assert spoken_defect([clip_facts(body)], clip_facts(closing), True, BOUNDS) is None
    halved = body * (np.arange(len(body)) < len(body) / 2)
    assert spoken_defect([clip_facts(halved)], clip_facts(closing), True, BOUNDS) == "cut"
    assert spoken_defect([clip_facts(body)], clip_facts(0 * closing), True, BOUNDS) == "closing_silent"
