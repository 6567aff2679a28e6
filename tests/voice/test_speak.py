"""Speaking marked text: the right words at the right times, pauses that are silence, pitch as it is written."""

import json
import wave
from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from prosody import markers
from prosody.errors import ProsodyError
from prosody.voice.parameters import SpeakParameters
from prosody.voice.speak import speak, write_wav

TEXT = (
    "When I first came to the <pitch_high> coast, I had <emph> no idea what it was like. <pause_long> People told me "
    "it would be <pitch_rising> quiet, <pause_short> but it was <pitch_falling> not! The boats <pause_short> never "
    "stop, and “the gulls” — they are <pitch_low> worse. <pause_short>"
)


@pytest.fixture(scope="module")
def spoken():
    return speak(TEXT, seed=3)


def silence_s(spoken, k):
    """Length of the stretch of zeros before word k."""
    end, start = (round(t * spoken.sample_rate) for t in (spoken.words[k - 1].end, spoken.words[k].start))
    return (spoken.samples[end:start] == 0).sum() / spoken.sample_rate


def test_every_word_comes_back_in_order_with_its_markers_and_time(spoken):
    marked = markers.parse(TEXT)
    assert [(word.text, word.markers) for word in spoken.words] == [(word.text, word.markers) for word in marked.words]
    assert all(word.end > word.start for word in spoken.words if word.text != "—")
    assert all(a.end <= b.start for a, b in pairwise(spoken.words))
    assert 0 < spoken.words[0].start < 0.2
    assert spoken.words[-1].end < spoken.duration
    assert len(spoken.targets) == len(spoken.words)


def test_samples_are_loud_enough_and_never_clip(spoken):
    assert spoken.samples.dtype == np.float32
    assert spoken.sample_rate == 24_000
    assert 0.2 < np.abs(spoken.samples).max() < 0.891


def test_pauses_are_true_silence_of_the_length_asked_for(spoken):
    asked = {k: target.pause_before_s for k, target in enumerate(spoken.targets) if target.pause_before_s}
    assert len(asked) == 3
    for k, pause_s in asked.items():
        gap_s = spoken.words[k].start - spoken.words[k - 1].end
        assert gap_s == pytest.approx(pause_s, abs=0.06)
        assert silence_s(spoken, k) > pause_s - 0.12
        low, high = (0.35, 0.6) if "<pause_short>" in spoken.words[k].markers else (0.95, 1.4)
        assert low <= pause_s <= high
    assert spoken.duration - spoken.words[-1].end == pytest.approx(spoken.final_pause_s, abs=0.06)


def test_gaps_without_a_pause_marker_are_short(spoken):
    for k, (before, word) in enumerate(pairwise(spoken.words), start=1):
        if not spoken.targets[k].pause_before_s:
            assert word.start - before.end < 0.15


def test_targets_tell_what_was_asked(spoken):
    by_text = {word.text: target for word, target in zip(spoken.words, spoken.targets, strict=True)}
    calm_hz = by_text["first"].f0_level_hz
    assert by_text["coast,"].f0_level_hz > calm_hz * 1.15
    assert by_text["worse."].f0_level_hz < calm_hz / 1.15
    assert by_text["quiet,"].f0_end_hz > by_text["quiet,"].f0_start_hz * 1.2
    assert by_text["not!"].f0_peak_hz > by_text["not!"].f0_end_hz * 1.2
    assert by_text["no"].duration_scale >= 1.4
    assert by_text["no"].energy_scale > 1
    assert by_text["—"].f0_level_hz is None


def test_the_same_seed_gives_the_same_samples_and_another_does_not(spoken):
    assert np.array_equal(speak(TEXT, seed=3).samples, spoken.samples)
    middle = slice(5000, 10_000)
    assert not np.array_equal(speak(TEXT, seed=4).samples[middle], spoken.samples[middle])


def test_plain_speech_leaves_the_markers_unspoken():
    plain = speak("We <pause_long> <emph> really meant it.", plain=True)
    assert np.array_equal(plain.samples, speak("We really meant it.").samples)
    assert [word.markers for word in plain.words] == [()] * 4


def test_emphasis_makes_a_word_longer_and_louder():
    words = [speak(f"We have {marker} always known that.") for marker in ("", "<emph>")]
    lengths, powers = [], []
    for one in words:
        word = one.words[2]
        lengths.append(word.end - word.start)
        inside = one.samples[round(word.start * 24_000) : round(word.end * 24_000)]
        rest = one.samples[round(one.words[3].start * 24_000) :]
        powers.append(np.mean(inside**2) / np.mean(rest**2))
    assert lengths[1] > 1.15 * lengths[0]
    assert powers[1] > 1.25 * powers[0]


def test_a_leading_pause_a_lone_dash_and_long_text():
    led = speak("<pause_long> Hello.")
    assert led.words[0].start == pytest.approx(led.targets[0].pause_before_s, abs=0.06)
    dashed = speak("— one <pause_short> — two —")
    dash = dashed.words[2]
    assert dash.start == dash.end == dashed.words[3].start
    assert dashed.words[3].start - dashed.words[1].end > 0.3
    assert dashed.words[4].start == dashed.words[3].end
    long = speak("word " * 200)
    assert len(long.words) == 200
    assert all(word.end > word.start for word in long.words)


def test_words_without_sound_are_left_silent_and_told():
    spoken = speak("hello 🙂 <pitch_high> — world")
    assert spoken.words[1].start == spoken.words[1].end
    assert len(spoken.notes) == 2
    assert "“🙂” has no sound" in spoken.notes[0]
    assert "<pitch_high>" in spoken.notes[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no words"),
        ("… — 🙂", "no word of it has a sound"),
        ("one\ntwo 你好", r"line 2, column 5: word “你好”: cannot be read aloud"),
        ("one " + "9" * 80, "line 1, column 5: .*cannot be read aloud"),
        ("a <whisper> b", "unknown marker <whisper>"),
    ],
)
def test_what_cannot_be_spoken_is_refused_in_one_line(text, told):
    with pytest.raises(ProsodyError, match=told) as caught:
        speak(text)
    assert "\n" not in str(caught.value)


def test_a_negative_seed_is_refused():
    with pytest.raises(ProsodyError, match="seed: is -1 — give a whole number from 0"):
        speak("Hello.", seed=-1)


def test_a_folder_that_cannot_be_written_to_is_told(monkeypatch, tmp_path, recwarn):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ProsodyError, match=r"x\.wav: cannot be written \(Permission denied\)"):
        write_wav(tmp_path / "x.wav", np.zeros(3), 24_000)


def test_the_wav_holds_the_samples_and_is_not_overwritten(tmp_path):
    out = tmp_path / "answer.wav"
    spoken = speak("Hello there.", out=out)
    with wave.open(str(out)) as source:
        assert (source.getframerate(), source.getnchannels(), source.getsampwidth()) == (24_000, 1, 2)
        stored = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2") / 32767
    assert np.abs(stored - spoken.samples).max() < 1 / 32767
    before = out.read_bytes()
    with pytest.raises(ProsodyError, match=r"answer\.wav: already exists"):
        speak("Something else.", out=out)
    assert out.read_bytes() == before
    speak("Something else.", out=out, overwrite=True)
    assert out.read_bytes() != before
    assert json.loads((tmp_path / "answer.words.json").read_bytes())["words"][0]["text"] == "Something"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.wav", "answer.words.json"]


def test_the_words_times_lie_beside_the_wav(tmp_path):
    spoken = speak("It <emph> was. — <pause_short>", out=tmp_path / "it.wav")
    told = json.loads((tmp_path / "it.words.json").read_bytes())
    assert told == spoken.as_json("it.wav")
    assert [(w["text"], w["markers"]) for w in told["words"]] == [("It", []), ("was.", ["<emph>"]), ("—", [])]
    assert [w["start"] for w in told["words"]] == pytest.approx([w.start for w in spoken.words], abs=1e-4)


@pytest.mark.parametrize("out", ["", ".", "a\0.wav"])
def test_a_name_that_is_none_is_one_line(out):
    with pytest.raises(ProsodyError):
        speak("It was.", out=out)


def test_times_in_the_way_are_told_before_any_work_and_nothing_is_written(tmp_path, monkeypatch):
    (tmp_path / "it.words.json").write_text("mine")
    monkeypatch.setattr("prosody.voice.engines.hibari.render", lambda *_, **__: pytest.fail("it was spoken"))
    with pytest.raises(ProsodyError, match=r"it\.words\.json: already exists"):
        speak("It was.", out=tmp_path / "it.wav")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("it.words.json", "mine")]


LOUD = (
    "No.",
    "A!",
    "<emph> Never! <emph> Never! <emph> Never!",
    "<pause_long> Wait. <pause_long> And — <pause_short> wait. <pause_long>",
    TEXT,
    "<emph> <pitch_high> "
    + " <emph> <pitch_high> ".join(["every", "single", "word", "matters", "to", "all", "of", "us"]),
)


@pytest.mark.parametrize("text", LOUD, ids=range(len(LOUD)))
@pytest.mark.parametrize("seed", [0, 5])
def test_whatever_is_said_is_as_loud_as_the_standard_asks(text, seed, tmp_path):
    speak(text, seed=seed, out=tmp_path / "it.wav", parameters=SpeakParameters(pause_long_s=(2, 6)))
    samples, rate = soundfile.read(tmp_path / "it.wav")
    assert pyloudnorm.Meter(rate).integrated_loudness(samples) == pytest.approx(-23, abs=1)
    assert 20 * np.log10(np.abs(resample_poly(samples, 8, 1)).max()) <= -1


def test_loudness_is_a_parameter():
    spoken = speak("Never say never.", parameters=SpeakParameters(loudness_lufs=-14, true_peak_dbtp=-6))
    peak = np.abs(resample_poly(spoken.samples.astype(float), 8, 1)).max()
    assert pyloudnorm.Meter(24_000).integrated_loudness(spoken.samples.astype(float)) == pytest.approx(-14, abs=1)
    assert -6.6 < 20 * np.log10(peak) <= -6


@pytest.mark.parametrize("processors", [1, 2, 5])
def test_how_many_sentences_are_spoken_at_a_time_changes_nothing(spoken, monkeypatch, processors):
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert np.array_equal(speak(TEXT, seed=3).samples, spoken.samples)


def test_the_contour_between_markers_can_be_asked_for_and_changes_no_marked_word(spoken):
    n_words = len(spoken.words)
    nothing = speak(TEXT, seed=3, shape=[{"f0_level_st": None}] * n_words)
    assert np.array_equal(nothing.samples, spoken.samples)
    asked = [{"f0_level_st": 9.0, "f0_slope_st": -9.0, "energy_db": -9.0}] * n_words
    shaped = speak(TEXT, seed=3, shape=asked)
    for word, one, usual in zip(shaped.words, shaped.targets, spoken.targets, strict=True):
        if any(token.startswith(("<pitch", "<emph")) for token in word.markers):
            assert one.energy_scale == usual.energy_scale
            assert one.f0_level_hz == pytest.approx(usual.f0_level_hz, rel=0.02)
        elif one.f0_level_hz:
            assert 0.85 < one.energy_scale < 1
            assert abs(12 * np.log2(one.f0_level_hz / usual.f0_level_hz)) < 1.5
    levels = [
        one.f0_level_hz / usual.f0_level_hz
        for one, usual in zip(shaped.targets, spoken.targets, strict=True)
        if one.f0_level_hz
    ]
    assert np.median(levels) > 1.01
    with pytest.raises(ProsodyError, match="shape: tells of 1 words, but the text has 2 — give one entry a word"):
        speak("Two words.", shape=[{}])


def test_an_unknown_engine_is_refused():
    with pytest.raises(ProsodyError, match="there is no engine “siri” — use one of: hibari, espeak"):
        speak("Hello.", engine="siri")


def test_parameters_are_heeded_and_progress_is_told():
    seen = []
    text = "One two three. Four five."
    slow = speak(text, parameters=SpeakParameters(rate=0.7), progress=lambda *one: seen.append(one))
    assert slow.duration > 1.2 * speak(text).duration
    assert seen == [(1, 2), (2, 2)]


WORDS = st.text(st.sampled_from("abcdefghijklmnopqrst'-.,;!?—“”()0123456789éß🙂&%$/"), min_size=1, max_size=9)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([(set(), "0"), ({"<pause_short>"}, "."), (set(), "."), (set(), "0")])
@given(st.lists(st.tuples(st.sets(st.sampled_from(markers.TOKENS), max_size=2), WORDS), min_size=1, max_size=6))
def test_any_words_are_spoken_or_refused(slots):
    text = " ".join(" ".join([*sorted(slot), word]) for slot, word in slots)
    try:
        spoken = speak(text)
    except ProsodyError as error:
        assert "\n" not in str(error)
        return
    assert [word.text for word in spoken.words] == [word for _, word in slots]
    edges = [edge for word in spoken.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[-1] <= spoken.duration
    assert np.isfinite(spoken.samples).all()
    assert np.abs(spoken.samples).max() < 0.891


def test_a_short_word_that_moves_is_given_time_after_a_pause_too():
    text = "We went on, <pause_long> {}and then we stopped."
    lengths = []
    for token in ("", "<pitch_falling> ", "<emph> "):
        word = speak(text.format(token)).words[3]
        assert word.text == "and"
        lengths.append(word.end - word.start)
    assert min(lengths[1:]) > 1.3 * lengths[0]
