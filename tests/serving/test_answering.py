import base64

import numpy as np
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.serving.answering import Answerer, Question, read_sound
from soundmind_pipeline.speech.audio import load_audio

TEXT = "if tom is happy then anna is rich but tom is happy so anna is rich."


@pytest.fixture
def answerer(adapter):
    return Answerer(adapter, "does it follow?", style="think", max_new_tokens=6, dtype="float32")


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()


def test_a_path_and_its_bytes_are_the_same_sound(wav):
    by_path = read_sound(str(wav))
    assert by_path.dtype == np.float32 and np.array_equal(by_path, load_audio(wav))
    text = encoded(wav)
    wrapped = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    for spelled in (text, wrapped, f"data:audio/wav;base64,{text}"):
        assert np.array_equal(read_sound(spelled), by_path)


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        ("no/such/file.wav", "audio is neither a file nor base64: no/such/file.wav"),
        ("?" * 300, r"audio is neither a file nor base64: \?{77}\.\.\."),  # too long for a name, not for a path
        ("?" * 5000, r"audio is neither a file nor base64: \?{77}\.\.\."),
        (base64.b64encode(b"not a sound at all").decode(), "no WAV, FLAC, OGG or MP3"),
        ("", "neither a file nor base64|empty|no WAV"),
    ],
)
def test_what_is_no_sound_is_told(audio, told):
    with pytest.raises(SoundmindError, match=told):
        read_sound(audio)


def test_answers_come_in_the_order_of_the_questions(answerer, wav):
    questions = [Question(str(wav), None), Question(None, TEXT), Question(encoded(wav), None), Question(str(wav), TEXT)]
    answers = answerer.answer(questions)
    assert answers[0] == answers[2]
    assert [answerer.answer([question])[0] for question in questions] == answers
    assert all((answer.verdict is None) == (answer.reason is not None) for answer in answers)


def test_it_answers_as_the_evaluation_does(answerer, adapter, wav):
    from soundmind_pipeline.evaluation.params import EvaluationParams
    from soundmind_pipeline.evaluation.predict import load_examiner
    from soundmind_pipeline.policy.params import SamplingParams
    from soundmind_pipeline.rewards.params import RewardParams
    from soundmind_pipeline.speech.log_mel import log_mel

    examiner = load_examiner("rl", adapter, "does it follow?", RewardParams(), EvaluationParams(dtype="float32"))
    mel = log_mel(load_audio(wav))
    prompts = [examiner.encoder.encode(TEXT, None, "text"), examiner.encoder.encode("", mel, "audio")]
    sampling = SamplingParams(n=1, temperature=0.0, max_new_tokens=6)
    completions = examiner.engine.generate(prompts, sampling).completions
    expected = examiner.policy.processor.tokenizer.batch_decode(completions, skip_special_tokens=True)
    answers = answerer.answer([Question(None, TEXT), Question(str(wav), None)])
    assert [answer.response for answer in answers] == expected


def test_no_question_has_no_answer(answerer):
    assert answerer.answer([]) == []


def test_the_question_that_cannot_be_answered_is_named(answerer):
    with pytest.raises(SoundmindError, match="question 2: neither audio nor question"):
        answerer.answer([Question(None, TEXT), Question(None, "")])
