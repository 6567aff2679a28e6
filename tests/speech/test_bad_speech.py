"""Speech as it really comes: wrong words, other voices, music, whispers, creaks, gaps. What is known stays right, and
what the sound does not support is told by a low confidence."""

import json
import re

import numpy as np
import pytest
import soundfile
from speech_sounds import librivox, noise, text_grid, tone

from prosody import cli, markers
from prosody.errors import ProsodyError
from prosody.sample.build import write_sample
from prosody.speech.align import SUPPORTED, align
from prosody.speech.audio import Audio, read
from prosody.speech.detect import detect
from prosody.speech.hear import hear
from prosody.speech.measure import measure

RATE = 24_000
PITCH = {"<pitch_high>", "<pitch_low>", "<pitch_rising>", "<pitch_falling>"}
OTHER_WORDS = tuple("""
    harbour window candle purple mountain engine pocket thunder ribbon carpet kitchen
    winter library passenger copper balloon village hammer orange doctor pepper garden
""".split())  # noqa: SIM905 (a list of words reads better as words)  # fmt: skip


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Half a minute of the built-in corpus: samples, words, their true starts (s)."""
    files = write_sample(tmp_path_factory.mktemp("sample"), answers=2)
    truth = json.loads(files.truth.read_text(encoding="utf-8"))["words"]
    return read(files.audio).samples, [w["text"] for w in truth], np.array([w["start"] for w in truth])


@pytest.fixture
def clip(shared):
    """A read sentence of a real voice (24 kHz), and the voice of someone else."""
    words = [
        (t, a) for a, _, t in text_grid(shared / "wavelet" / "LJ050-0277.TextGrid")["words"] if t not in ("", "sil")
    ]
    at_24 = [read(shared / "wavelet" / f"{name}.wav").samples for name in ("LJ050-0277", "7127_75947_000010_000000")]
    return at_24[0], [t for t, _ in words], np.array([a for _, a in words]), at_24[1]


def audio_of(samples, rate=RATE):
    return Audio(np.asarray(samples, dtype=np.float32), rate, __file__, "0", rate, 1)


def placed(samples, words):
    found = align(audio_of(samples), words)
    return np.array([w.start for w in found]), np.array([w.confidence for w in found])


def test_a_third_of_the_words_wrong(talk):
    samples, words, starts = talk
    rng = np.random.default_rng(1)
    wrong = np.zeros(len(words), dtype=bool)
    wrong[rng.choice(len(words), round(0.3 * len(words)), replace=False)] = True
    others = iter(rng.permutation(OTHER_WORDS * 4).tolist())
    given = [next(others) if w else text for text, w in zip(words, wrong, strict=True)]
    at, sure = placed(samples, given)
    assert np.mean(sure[wrong] < SUPPORTED) >= 0.85 and np.mean(sure[~wrong] >= SUPPORTED) >= 0.85
    errors = np.abs(at - starts)[~wrong]
    assert np.median(errors) < 0.03 and np.mean(errors < 0.2) > 0.9


def test_the_words_of_another_recording(talk, shared):
    _, _, other = librivox(shared)
    with pytest.raises(ProsodyError, match=r"only \d+% of the transcript's words are supported"):
        placed(talk[0], other)


def test_short_texts_of_other_sentences(shared):
    """Some words of a short text always find sounds that are like theirs: a third of the wrong ones look sure."""
    said = {}
    for line in (shared / "librivox" / "transcription").read_text(encoding="utf-8").splitlines():
        text, name = re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip()).groups()
        said[name] = text.split()
    sounds = {name: read(shared / "librivox" / f"{name}.wav") for name in said}
    for name, audio in sounds.items():
        align(audio, said[name])
        for other in said.keys() - {name}:
            with pytest.raises(ProsodyError, match=r"\d+%"):
                align(audio, said[other])


def test_a_long_text_that_is_said_but_hard_to_hear(shared):
    """A hoarse voice, clipped: 58 % of the words are sure, though they fit little better than their mirror image."""
    samples = read(shared / "mfa" / "cold_corpus.wav", sample_rate=16_000).samples
    words = [t for *_, t in text_grid(shared / "mfa" / "cold_corpus.TextGrid")["words"] if t not in ("", "sil")]
    align(audio_of(np.clip(4 * samples / np.abs(samples).max(), -1, 1), 16_000), words)


def test_one_word_again_and_again(shared):
    with pytest.raises(ProsodyError, match=r"\d+%"):
        align(read(shared / "wavelet" / "LJ050-0277.wav"), ["the"] * 30)


@pytest.mark.parametrize("command", ["align", "detect"])
def test_the_words_of_another_recording_on_the_command_line(talk, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    soundfile.write(tmp_path / "talk.wav", talk[0][: 12 * RATE], RATE)
    (tmp_path / "talk.txt").write_text("We harvest the candle with a mountain, " * 6, encoding="utf-8")
    assert cli.main([command, str(tmp_path / "talk.wav"), str(tmp_path / "talk.txt")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "talk.wav" in told.err
    assert re.search(r"only \d+% of the transcript's words", told.err)


def test_sentences_that_are_missing_and_sentences_too_many(talk):
    samples, words, starts = talk
    third, n = len(words) // 3, len(words) // 8
    kept = np.r_[0:third, third + n : len(words)]
    at, sure = placed(samples, [words[i] for i in kept])
    assert np.median(np.abs(at - starts[kept])) < 0.03 and np.mean(sure >= SUPPORTED) > 0.9
    extra = (OTHER_WORDS * 3)[:n]
    at, sure = placed(samples, [*words[:third], *extra, *words[third:]])
    assert (sure[third : third + n] < SUPPORTED).mean() > 0.9
    assert np.median(np.abs(np.delete(at, np.s_[third : third + n]) - starts)) < 0.03


def test_paragraphs_in_another_order(talk):
    samples, words, starts = talk
    a, b, c = (len(words) * k // 8 for k in (3, 4, 5))
    order = np.r_[0:a, b:c, a:b, c : len(words)]
    at, sure = placed(samples, [words[i] for i in order])
    right = np.abs(at - starts[order]) < 0.1
    outside = np.r_[0:a, c : len(words)]
    assert right[outside].mean() > 0.9 and (sure[outside] >= SUPPORTED).mean() > 0.9
    assert (sure[~right] < SUPPORTED).mean() > 0.7, "words that stand elsewhere are not told"


@pytest.mark.parametrize("level", [0.0, 1e-3])
def test_a_long_silence_in_the_middle(talk, level):
    samples, words, starts = talk
    k, gap_s = len(words) // 2, 60.0
    cut = round((starts[k] - 0.02) * RATE)
    at, sure = placed(np.concatenate([samples[:cut], noise(gap_s, level=level), samples[cut:]]), words)
    assert np.mean(np.abs(at - starts - gap_s * (np.arange(len(words)) >= k)) < 0.1) > 0.95
    assert np.mean(sure >= SUPPORTED) > 0.95


@pytest.mark.slow
def test_five_minutes_of_silence_in_the_middle(talk):
    samples, words, starts = talk
    k = len(words) // 2
    cut = round((starts[k] - 0.02) * RATE)
    at, _ = placed(np.concatenate([samples[:cut], noise(300.0, level=1e-3), samples[cut:]]), words)
    assert np.mean(np.abs(at - starts - 300.0 * (np.arange(len(words)) >= k)) < 0.1) > 0.95


def music(n, *, rate=RATE):
    """An arpeggio over chords [n], of power 1."""
    sound, beat = np.zeros(n + rate), round(0.5 * rate)
    for number, start in enumerate(range(0, n, beat)):
        root = (220.0, 196.0, 174.6, 164.8)[number // 4 % 4]
        at = np.arange(rate) / rate
        for k, ratio in enumerate((1.0, 1.26, 1.5)):
            sound[start : start + rate] += 0.3 * np.hanning(rate) * np.sin(2 * np.pi * root * ratio * at)
            if k == number % 3:
                plucked = sum(np.sin(4 * np.pi * root * ratio * h * at) / h**1.5 for h in (1, 2, 3, 4))
                sound[start : start + rate] += np.exp(-3 * at) * plucked
    return (sound[:n] / np.sqrt(np.mean(sound[:n] ** 2))).astype(np.float32)


@pytest.mark.parametrize("level_db", [-20, -10])
def test_music_under_speech(talk, level_db):
    samples, words, starts = talk
    loud = np.sqrt(np.mean(samples**2)) * 10 ** (level_db / 20)
    at, sure = placed(samples + loud * music(len(samples)), words)
    errors = np.abs(at - starts)
    assert np.median(errors) < 0.03 and np.mean(errors < 0.05) > 0.85 and np.mean(sure >= SUPPORTED) > 0.9


def test_a_second_speaker_who_is_not_in_the_transcript(clip):
    samples, words, starts, other = clip
    parts, true, begun = [], starts.copy(), 0
    for k in (len(words) // 4, len(words) // 2, 3 * len(words) // 4):
        cut = round((starts[k] - 0.02) * RATE)
        parts += [samples[begun:cut], other]
        true[k:] += len(other) / RATE
        begun = cut
    at, _ = placed(np.concatenate([*parts, samples[begun:]]), words)
    right = np.abs(at - true) < 0.5
    assert right.mean() > 0.75
    assert np.median(np.abs(at - true)) < 0.05


def test_one_word(talk):
    samples, words, starts = talk
    longest = int(np.argmax(np.diff(starts) * (np.diff(starts) < 0.5)))
    piece = samples[round((starts[longest] - 0.02) * RATE) :][: round(0.42 * RATE)]
    (word,) = hear(audio_of(piece), markers.parse(words[longest])).words
    assert word.start < 0.15 and word.end - word.start > 0.15


def test_one_word_that_is_another(talk):
    samples, _, starts = talk
    pieces = [samples[round((starts[k] - 0.02) * RATE) : round(starts[k + 1] * RATE)] for k in (3, 9, 15, 21)]
    assert sum(is_refused(piece, [other]) for piece in pieces for other in OTHER_WORDS[-3:]) >= 8


def is_refused(samples, words):
    try:
        align(audio_of(samples), words)
    except ProsodyError:
        return True
    return False


def resounded(samples, source, *, rate=RATE, order=24, frame=600, hop=240):
    """Speech with its source replaced [n + frame]: each frame's linear prediction, excited by `source`."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    window = np.hanning(frame + 1)[:-1]
    flat = np.append(samples[0], samples[1:] - 0.95 * samples[:-1]).astype(float)
    made = np.zeros(len(flat) + frame)
    for start in range(0, len(flat) - frame, hop):
        piece = flat[start : start + frame] * window
        same = np.correlate(piece, piece, "full")[frame - 1 : frame + order]
        same[0] = same[0] * 1.0001 + 1e-9
        taps = solve_toeplitz(same[:order], same[1 : order + 1])
        power = max(same[0] - taps @ same[1 : order + 1], 0.0) / frame
        said = lfilter([1.0], np.append(1.0, -taps), source[start : start + frame] * np.sqrt(power))
        made[start : start + frame] += window * said
    made = lfilter([1.0], [1.0, -0.95], made[: len(flat)])
    return 0.5 * made / np.abs(made).max()


def pulses(n, *, hz=32.0, rate=RATE):
    """Irregular pulses, like those of a creaking voice [n], of power 1."""
    rng = np.random.default_rng(0)
    made = 0.003 * rng.standard_normal(n)
    at = np.cumsum(rate / hz * rng.uniform(0.65, 1.35, n))
    made[at[at < n].astype(int)] = np.sqrt(rate / hz)
    return made


@pytest.mark.parametrize("source", ["whisper", "creak"])
def test_a_voice_without_f0_carries_no_pitch_markers(clip, source):
    samples, words, _, _ = clip
    n = len(samples) + RATE
    excitation = np.random.default_rng(0).standard_normal(n) if source == "whisper" else pulses(n)
    said = align(audio_of(samples), words)
    measured = measure(audio_of(resounded(samples, excitation)), said)
    assert np.mean([one["voiced"] for one in measured]) < 0.05
    assert all(one["f0_level_st"] is None for one in measured if one["voiced"] == 0)
    assert not {token for slot in detect(measured) for token in slot} & PITCH
    assert {token for slot in detect(measure(audio_of(samples), said)) for token in slot} & PITCH  # with its own source


def test_whispered_words_are_found(clip):
    samples, words, _, _ = clip
    whisper = resounded(samples, np.random.default_rng(0).standard_normal(len(samples) + RATE))
    heard = hear(audio_of(whisper), markers.parse(" ".join(words)))
    before, after = align(audio_of(samples), words), heard.words
    assert np.median([abs(a.start - b.start) for a, b in zip(before, after, strict=True)]) < 0.06
    assert not {token for slot in heard.heard for token in slot} & PITCH


@pytest.mark.parametrize("harm", ["offset", "clipped", "dead channel"])
def test_harm_that_does_no_harm(talk, tmp_path, harm):
    samples, words, starts = talk
    harmed = {
        "offset": 0.7 * samples + 0.25,
        "clipped": np.clip(4 * samples / np.abs(samples).max(), -1, 1),
        "dead channel": np.stack([np.zeros_like(samples), samples], axis=1),
    }[harm]
    soundfile.write(tmp_path / "a.wav", harmed, RATE)
    found = align(read(tmp_path / "a.wav"), words)
    errors = np.abs(np.array([w.start for w in found]) - starts)
    assert np.median(errors) < 0.03 and np.mean(errors < 0.05) > 0.9


def test_two_speakers_on_two_channels(clip, tmp_path):
    samples, words, starts, other = clip
    left = np.concatenate([samples, np.zeros_like(other)])
    right = np.concatenate([np.zeros_like(samples), other])
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE)
    audio = read(tmp_path / "a.wav")
    assert re.search("two speakers", audio.notes[0])
    found = align(audio, words)
    assert np.median(np.abs(np.array([w.start for w in found]) - starts)) < 0.05


def test_a_tone_is_no_speech(talk):
    with pytest.raises(ProsodyError):
        align(audio_of(tone(20.0)), talk[1])
