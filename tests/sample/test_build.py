"""The built-in corpus: its files, its truth, and whether the audio does what its markers say."""

import json

import numpy as np
import pytest
import soundfile

from prosody import markers
from prosody.errors import ProsodyError
from prosody.sample import build, check
from prosody.sample.script import read_script, transcript


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return build.write_sample(folder, answers=4)


def test_four_files_of_the_promised_kind(corpus):
    info = soundfile.info(corpus.audio)
    assert (info.samplerate, info.channels, info.subtype) == (24_000, 1, "PCM_16")
    text = corpus.transcript.read_text(encoding="utf-8")
    assert text == transcript(read_script()[:4])
    questions = json.loads(corpus.questions.read_text(encoding="utf-8"))
    assert [set(one) for one in questions] == [{"question", "points", "text"}] * 4


def test_truth_tells_of_every_word(corpus):
    truth = json.loads(corpus.truth.read_text(encoding="utf-8"))
    marked = markers.parse(corpus.transcript.read_text(encoding="utf-8"))
    assert [(word["text"], tuple(word["markers"])) for word in truth["words"]] == [
        (word.text, word.markers) for word in marked.words
    ]
    edges = [edge for word in truth["words"] for edge in (word["start"], word["end"])]
    assert edges == sorted(edges)
    assert edges[-1] < truth["duration"] == pytest.approx(soundfile.info(corpus.audio).duration, abs=1e-5)
    assert [word["answer"] for word in truth["words"]] == sorted(word["answer"] for word in truth["words"])
    assert {word["answer"] for word in truth["words"]} == {0, 1, 2, 3}
    for word in truth["words"]:
        pausing = any(markers.BY_TOKEN[token].kind == "pause" for token in word["markers"])
        assert (word["pause_before_asked_s"] > 0) == pausing
        assert set(word["f0_asked_hz"]) == {"level", "start", "end", "peak"}


def test_words_lie_where_the_truth_says(corpus):
    truth = json.loads(corpus.truth.read_text(encoding="utf-8"))
    samples, rate = soundfile.read(corpus.audio)
    word_power = [np.mean(samples[round(w["start"] * rate) : round(w["end"] * rate)] ** 2) for w in truth["words"]]
    assert min(word_power) > 1e-6
    covered = np.zeros(len(samples), dtype=bool)
    for word in truth["words"]:
        covered[round((word["start"] - 0.03) * rate) : round((word["end"] + 0.03) * rate)] = True
    assert np.abs(samples[~covered]).max() < 0.01


def test_the_audio_does_what_its_markers_say(corpus):
    checks = build.check_truth(corpus.audio.parent)
    assert set(checks) == set(markers.TOKENS)
    for token, one in checks.items():
        assert one.marked > 0, token
        assert one.share >= 0.95, (token, one)
        assert one.false_share < 0.05, (token, one)


def test_the_check_hears_when_markers_are_not_spoken(corpus, tmp_path):
    """The same transcript over plain speech: the check must not be satisfied by what was asked for."""
    from prosody.voice.parameters import SpeakParameters
    from prosody.voice.speak import speak, write_wav

    text = corpus.transcript.read_text(encoding="utf-8")
    truth = json.loads(corpus.truth.read_text(encoding="utf-8"))
    plain = speak(text, plain=True, parameters=SpeakParameters(**truth["parameters"]))
    paths = build.sample_files(tmp_path)
    write_wav(paths.audio, plain.samples, plain.sample_rate)
    for word, spoken in zip(truth["words"], plain.words, strict=True):
        word["start"], word["end"] = spoken.start, spoken.end
    paths.truth.write_text(json.dumps(truth), encoding="utf-8")
    paths.transcript.write_text(text, encoding="utf-8")
    for token, one in check.check_truth(paths).items():
        assert one.share < 0.1, (token, one)


def test_the_same_seed_gives_the_same_bytes_and_nothing_is_overwritten(tmp_path):
    first, second = (build.write_sample(tmp_path / name, answers=2, seed=5) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    before = [path.read_bytes() for path in first]
    with pytest.raises(ProsodyError, match="already exists"):
        build.write_sample(tmp_path / "a", answers=1)
    assert [path.read_bytes() for path in first] == before
    assert len(list((tmp_path / "a").iterdir())) == 4
    build.write_sample(tmp_path / "a", answers=1, overwrite=True)
    assert first.audio.read_bytes() != before[0]


def test_one_file_in_the_way_leaves_none_behind(tmp_path):
    build.sample_files(tmp_path).questions.write_text("mine", encoding="utf-8")
    with pytest.raises(ProsodyError, match=r"sample_questions\.json: already exists"):
        build.write_sample(tmp_path, answers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["sample_questions.json"]


@pytest.mark.parametrize("answers", [0, -1, 10_000, True])
def test_a_wrong_number_of_answers_is_refused(tmp_path, answers):
    with pytest.raises(ProsodyError, match="answers"):
        build.write_sample(tmp_path, answers=answers)


def test_progress_is_told(tmp_path):
    seen = []
    build.write_sample(tmp_path, answers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_check_truth_of_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(ProsodyError, match=r"sample_truth\.json"):
        build.check_truth(tmp_path)


def test_a_corpus_of_an_earlier_voice_is_one_line(tmp_path):
    truth = build.write_sample(tmp_path, answers=1).truth
    told = json.loads(truth.read_text(encoding="utf-8"))
    told["parameters"]["rms_db"] = told["parameters"].pop("loudness_lufs")
    truth.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ProsodyError, match=r"sample_truth\.json: parameters: are those of an earlier voice"):
        build.check_truth(tmp_path)


@pytest.mark.slow
def test_the_whole_corpus_is_twelve_minutes_and_does_what_it_says(tmp_path):
    corpus = build.write_sample(tmp_path)
    truth = json.loads(corpus.truth.read_text(encoding="utf-8"))
    assert 11 * 60 <= truth["duration"] <= 13 * 60
    assert 140 <= len(truth["words"]) / truth["duration"] * 60 <= 165
    for token, one in build.check_truth(tmp_path).items():
        assert one.marked >= 40, (token, one)
        assert one.share >= 0.95, (token, one)
        assert one.false_share < 0.05, (token, one)
