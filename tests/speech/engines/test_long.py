import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundmind_pipeline.speech.audio import AudioError, write_wav
from soundmind_pipeline.speech.engines.engine import SpeechEngine, Utterance
from soundmind_pipeline.speech.engines.long import LONGEST_CHUNK, speak_long, split_text, write_wav_chunks
from soundmind_pipeline.speech.espeak import EspeakEngine


class Counter(SpeechEngine):
    """Says each text as its length, and keeps what it was asked."""

    name, pause_seconds = "counter", 0.001  # 16 samples

    def __init__(self):
        self.asked = []

    def describe(self):
        return {"engine": self.name}

    def speak_many(self, utterances):
        for utterance in utterances:
            self.asked.append(utterance)
            yield np.full(len(utterance.text), 0.5, np.float32)

    def close(self):
        self.asked.clear()


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        ("short\n text ", ["short\n text "]),
        ("One here. Two here! Three? Four.", ["One here. Two here!", "Three? Four."]),
        ('He said "so." Then he left.', ['He said "so."', "Then he left."]),
        ("first line here\nsecond line here", ["first line here", "second line here"]),
        ("a long clause here, and another, and more", ["a long clause here,", "and another,", "and more"]),
        ("word word word word word word", ["word word word word", "word word"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("A sentence of words. — * — … ...... - And more.", ["A sentence of words. — * — … ......", "- And more."]),
        ("........... - ........... A word.", ["........... - ........... A word."]),
    ],
)
def test_texts_are_cut_where_a_reader_pauses(text, chunks):
    assert split_text(text, 20) == chunks


@given(st.text(alphabet="ab.,!\n —;x1'\"", max_size=300), st.integers(5, 40))
def test_nothing_but_whitespace_is_lost_and_every_chunk_can_be_spoken(text, longest):
    chunks = split_text(text, longest)
    assert "".join("".join(chunks).split()) == "".join(text.split())
    if any(map(str.isalnum, text)) and len(text) > longest:
        assert all(any(map(str.isalnum, chunk)) for chunk in chunks)
        assert all(len(chunk.strip(" .,!—;'\"")) <= longest for chunk in chunks)


def test_chunks_are_given_back_by_text_with_pauses_between_them():
    engine = Counter()
    texts = ["short", "A sentence of words. " * 40, "last"]
    spoken = [
        [len(wave) for wave in chunks] for chunks in speak_long(engine, (Utterance(t, "v", speed=1.0) for t in texts))
    ]
    first, *rest = split_text(texts[1])
    assert len(rest) == 2
    assert spoken == [[5], [len(first) + 16, len(rest[0]) + 16, len(rest[1])], [4]]
    assert {(u.voice, u.speed) for u in engine.asked} == {("v", 1.0)}


def test_chunks_left_unread_are_passed_over():
    texts = ["A sentence of words. " * 40, "last"]
    lengths = [len(next(chunks)) for chunks in speak_long(Counter(), (Utterance(t, "v", speed=1.0) for t in texts))]
    assert lengths == [len(split_text(texts[0])[0]) + 16, 4]


def test_a_long_text_is_made_piece_by_piece():
    engine = Counter()
    chunks = next(speak_long(engine, iter([Utterance("A sentence of words. " * 1000, "v", speed=1.0)])))
    next(chunks)
    assert len(engine.asked) <= 2


def test_a_short_text_sounds_as_it_does_alone_and_a_long_one_whatever_the_workers():
    short = Utterance("if tom is happy then anna is rich.", "en-us", 260, 50)
    long = Utterance("If tom is happy then anna is rich. " * 40, "en-us", 260, 50)
    assert len(split_text(long.text)) > 2
    outcomes = []
    for workers in (1, 3):
        with EspeakEngine(workers) as engine:
            outcomes.append(
                [[wave.tobytes() for wave in chunks] for chunks in speak_long(engine, [short, long, short])]
            )
            alone = next(engine.speak_many([short])).tobytes()
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == outcomes[0][2] == [alone]
    assert max(len(wave) for wave in outcomes[0][1]) < LONGEST_CHUNK / 4 * 16_000 * 4


def test_chunks_are_written_as_the_joined_wave_would_be(tmp_path):
    noise = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    write_wav(tmp_path / "whole.wav", noise)
    assert write_wav_chunks(tmp_path / "parts.wav", np.split(noise, [7, 1000, 4999])) == 5000 / 16_000
    assert (tmp_path / "parts.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


@pytest.mark.parametrize(
    ("chunks", "defect"), [([], "empty"), ([np.zeros(3), np.full(2, np.nan)], "not finite"), ([np.zeros(0)], "empty")]
)
def test_a_file_without_samples_or_with_nan_is_refused(tmp_path, chunks, defect):
    with pytest.raises(AudioError, match=rf"clip\.wav: {defect}"):
        write_wav_chunks(tmp_path / "clip.wav", chunks)
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_chunks_end_in_an_error_does_not_appear(tmp_path):
    def chunks():
        yield np.zeros(10, np.float32)
        raise RuntimeError("engine gone")

    with pytest.raises(RuntimeError, match="engine gone"):
        write_wav_chunks(tmp_path / "broken.wav", chunks())
    assert list(tmp_path.iterdir()) == []
