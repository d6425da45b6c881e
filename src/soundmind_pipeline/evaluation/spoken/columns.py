"""What the predictions table says of a spoken answer."""

from typing import Final

SPOKEN_COLUMNS: Final = (
    "speaker",  # who spoke, as JSON: engine, version, checksums of the weights, voice, rate, seed
    "answer_audio",  # the clip, relative to the project; null where nothing could be said
    "spoken_seconds",  # length of the clip
    "spoken_speech_seconds",  # what of it is speech, by voice activity
    "reference_speech_seconds",  # the same of the reference answer, which λ5 compares with
    "spoken_defect",  # null, or why it is not well spoken: Defect of speech/well_spoken.py
    "recogniser",  # who listened, as JSON: package version, model, checksums, settings
    "transcript",
    "verdict_heard",  # by the strict rule of speech/heard_verdict.py; null if none
    "verdict_heard_lenient",
    "right_heard",  # whether the verdict heard is the label's
    "words",  # said, after normalisation: N of the word error rate
    "word_substitutions",
    "word_deletions",
    "word_insertions",
    "characters",
    "character_errors",
    "second_recogniser",  # these five are null without a second recogniser
    "second_transcript",
    "second_verdict_heard",
    "second_words",
    "second_word_errors",
)
"""Columns of spoken rows; null in all others."""
