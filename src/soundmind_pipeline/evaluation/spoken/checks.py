"""Whether answers can be spoken and heard at all."""

from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.speech.packages import require_packages


def check_spoken_setup(params: SpokenParams) -> None:
    """Look for the packages of speaker and recognisers; reads no weights and loads no model.

    Raises:
        SoundmindError: Answers are to be spoken, and a package is not installed.
    """
    if params.problems:
        speakers = [params.speech] if params.speaker == "tts" else []
        require_packages("evaluation.spoken", "set evaluation.spoken.problems: 0", speakers, params.listeners)
