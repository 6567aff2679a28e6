"""The spectrogram: known sounds lie at their frequencies and times, f0 lies over them, and the figure stays small."""

import base64
import re
import struct
import zlib

import numpy as np
import pytest

from prosody.dataset import Segment, Word
from prosody.errors import ProsodyError
from prosody.notebook import plots
from prosody.notebook.spectrogram import levels
from prosody.speech.audio import Audio
from prosody.speech.measure import Tracks

RATE = 24000


def an_audio(samples):
    return Audio(samples.astype(np.float32), RATE, "a.wav", "0" * 64, RATE, 1)


def tone(hz, seconds):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def tracks(seconds, f0_hz=120.0):
    times = np.arange(0, seconds, 0.016)
    return Tracks(times, np.full(len(times), f0_hz), np.full(round(100 * seconds), -20.0), 0.01, -35.0)


def drawn(samples, *, start=0.0, f0_hz=120.0, words=(), **options):
    seconds = len(samples) / RATE
    segment = Segment("segments/segment_001.wav", "a", seconds - start, start, seconds, words=words)
    return plots.spectrogram(an_audio(samples), tracks(seconds, f0_hz), segment, **options)


def pixels(figure):
    """The picture's palette indices [shape=(n_rows, n_columns)], the lowest frequency first, and its palette."""
    (image,) = figure.layout.images
    raw, at, chunks = base64.b64decode(image.source.removeprefix("data:image/png;base64,")), 8, {}
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at : at + 8])
        assert struct.unpack(">I", raw[at + 8 + size : at + 12 + size])[0] == zlib.crc32(raw[at + 4 : at + 8 + size])
        chunks[kind], at = raw[at + 8 : at + 8 + size], at + 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[::-1, 1:], np.frombuffer(chunks[b"PLTE"], dtype=np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("hz", [300, 1500, 4000])
def test_a_tone_lies_at_its_frequency_and_is_as_wide_as_the_window_makes_it(hz):
    db = levels(an_audio(tone(hz, 1.0)), (0.0, 1.0), max_hz=5000, window_s=0.005)
    frequencies = np.linspace(0, 5000, len(db))
    middle = db[:, db.shape[1] // 2] - 6 * np.log2(np.maximum(frequencies, 50) / 1000)  # the emphasis taken out
    assert frequencies[middle.argmax()] == pytest.approx(hz, abs=35)
    loud = frequencies[middle > middle.max() - 3]
    assert np.ptp(loud) == pytest.approx(1.3 / 0.005, abs=70)  # Praat: 260 Hz


def test_a_narrow_band_parts_the_harmonics_which_a_wide_band_does_not():
    voice = sum(tone(200 * k, 1.0) for k in range(1, 9))
    for window_s, parted in ((0.005, False), (0.03, True)):
        db = levels(an_audio(voice), (0.0, 1.0), max_hz=1000, window_s=window_s).mean(axis=1)
        at = np.linspace(0, 1000, len(db))
        on, between = (np.interp(hz, at, db) for hz in (600, 700))
        assert (on - between > 15) == parted


def test_the_picture_lies_at_the_segment_s_time_and_shows_when_the_sound_begins():
    figure = drawn(np.concatenate([np.zeros(2 * RATE), tone(1000, 1.0)]), start=1.0)
    (image,) = figure.layout.images
    assert (image.x, image.sizex, image.y, image.sizey) == (1.0, 2.0, 5000, 5000)
    shown, palette = pixels(figure)
    assert shown[:, : int(0.48 * shown.shape[1])].max() == 0
    assert shown[:, int(0.52 * shown.shape[1]) :].max() == len(palette) - 1
    light = palette @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all()  # in grey, or whatever the colour vision, brighter is louder


def test_f0_lies_over_it_in_white_with_a_dark_edge_on_an_axis_of_its_own(assert_dressed):
    figure = drawn(tone(200, 1.0), f0_hz=200.0, words=(Word("<script>", 0.1, 0.5, ("<emph>",)),))
    assert_dressed(figure)
    edge, line = (trace for trace in figure.data if trace.name == "f0")
    assert (edge.line.color, line.line.color) == ("#111111", "#ffffff") and edge.line.width > line.line.width
    assert set(line.y.tolist()) == {200.0} and line.yaxis == "y3" and "Hz" in line.hovertemplate
    titles = {figure.layout[name].title.text for name in figure.layout if re.match("[xy]axis", name)} - {None}
    assert titles == {"time in the recording (s)", "frequency (Hz)", "f0 (Hz)"}
    low, high = (10**end for end in figure.layout.yaxis3.range)
    assert (low, high) == pytest.approx((100, 800))
    (grid,) = [trace for trace in figure.data if trace.type == "heatmap"]
    assert "dB" in grid.hovertemplate and "Hz" in grid.hovertemplate
    assert int(np.max(grid.z)) <= 0 and int(np.min(grid.z)) >= -50


def test_a_whisper_has_no_line():
    figure = drawn(np.random.default_rng(0).normal(size=RATE) * 0.01, f0_hz=np.nan)
    assert not [trace for trace in figure.data if trace.name == "f0"]
    assert figure.layout.yaxis3.visible is False
    assert any("nothing is voiced" in (note.text or "") for note in figure.layout.annotations)


def test_fifteen_seconds_of_the_worst_sound_stay_small():
    noise = np.random.default_rng(0).normal(size=15 * RATE) * 0.1
    words = tuple(Word(f"word{k}", k / 3, k / 3 + 0.3, ("<emph>",)) for k in range(45))
    assert len(drawn(noise, words=words).to_json()) < 200_000


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.zeros(3), tone(100, 0.004)])
def test_silence_and_next_to_nothing_can_be_drawn(samples, assert_dressed):
    assert_dressed(drawn(samples))


@pytest.mark.parametrize("wrong", [{"max_hz": 0}, {"max_hz": 12_001}, {"range_db": 0}, {"window_s": 1.0}])
def test_what_makes_no_picture_is_refused(wrong):
    with pytest.raises(ProsodyError, match=next(iter(wrong))):
        drawn(np.zeros(RATE), **wrong)
