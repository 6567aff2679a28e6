import subprocess
import sys

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt
from speech_sounds import noise, silence, tone

from prosody.errors import ProsodyError
from prosody.speech import energy
from prosody.speech.energy import (
    coarser,
    energy_db,
    energy_of_blocks,
    energy_of_file,
    noise_floor_db,
    pause_spans,
    runs,
    threshold_above_noise,
)

RATE = 24_000


def pauses(samples, *, rate=RATE, min_pause_s=0.2, threshold_db=-35.0):
    return pause_spans(energy_db(samples, rate), hop_s=energy.HOP_S, threshold_db=threshold_db, min_pause_s=min_pause_s)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100])
def test_a_pause_is_found_where_it_is(rate):
    sound = [tone(1.23, rate=rate), silence(0.5, rate=rate), tone(0.77, rate=rate), silence(0.9, rate=rate)]
    (one, two) = pauses(np.concatenate(sound), rate=rate)
    assert (one.start, one.end) == pytest.approx((1.23, 1.73), abs=0.021)
    assert (two.start, two.end) == pytest.approx((2.50, 3.40), abs=0.021)


def test_the_threshold_is_relative_to_the_peak():
    for level in (1.0, 0.01):
        sound = [tone(1.0), tone(1.0, level=0.5 * 10 ** (-36 / 20)), tone(1.0)]
        assert len(pauses(np.concatenate(sound) * level)) == 1
        sound[1] = tone(1.0, level=0.5 * 10 ** (-34 / 20))
        assert not pauses(np.concatenate(sound) * level)


def test_a_knock_does_not_move_the_reference():
    sound = np.concatenate([tone(8.0, level=0.05), silence(0.5), tone(8.0, level=0.05)])
    sound[24_000:24_120] = 0.9
    assert len(pauses(sound)) == 1


def test_offset_and_rumble_are_no_sound():
    sound = np.concatenate([tone(2.0, level=0.2), silence(0.5), tone(2.0, level=0.2)])
    rumble = 0.05 * np.sin(2 * np.pi * 8 * np.arange(len(sound)) / RATE)
    assert len(pauses(sound + 0.1 + rumble)) == 1


def test_shortest_pause():
    sound = np.concatenate([tone(1.0), silence(0.5), tone(1.0)])
    assert len(pauses(sound, min_pause_s=0.45)) == 1
    assert not pauses(sound, min_pause_s=0.52)


def test_frames_and_levels():
    db = energy_db(np.concatenate([tone(1.0), tone(1.0, level=0.05)]), RATE)
    assert db.shape == (200,)
    assert db[20:90] == pytest.approx(0.0, abs=0.7) and db[120:190] == pytest.approx(-20.0, abs=0.7)
    grid = coarser(db)
    assert grid.shape == (20,) and grid[3] == pytest.approx(0.0, abs=0.7) and grid[15] == pytest.approx(-20, abs=0.7)


def test_in_blocks_as_in_one():
    sound = noise(3.3, level=0.1) * np.linspace(0, 1, 79_200, dtype=np.float32)
    whole = energy_db(sound, 22_050)
    parts = energy_of_blocks(iter(np.array_split(sound, 37)), 22_050)
    assert np.allclose(whole, parts, atol=0.01)


def test_the_threshold_rises_above_noise():
    quiet = np.concatenate([tone(2.0), silence(0.5), tone(2.0)])
    db = energy_db(quiet, RATE)
    assert threshold_above_noise(db, threshold_db=-35, noise_margin_db=6) == -35
    db = energy_db(quiet + noise(4.5, level=0.02), RATE)
    raised = threshold_above_noise(db, threshold_db=-35, noise_margin_db=6)
    assert -24 < raised < -17
    assert threshold_above_noise(db, threshold_db=-35, noise_margin_db=0) == -35
    assert len(pause_spans(db, hop_s=0.01, threshold_db=raised, min_pause_s=0.4)) == 1


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_the_rumble_filter_is_a_butterworth_high_pass(rate):
    sound = noise(1.7, rate=rate, level=0.1) + np.float32(0.3)
    want = sosfilt(butter(2, 70, "highpass", fs=rate, output="sos"), sound)
    edges = np.round(np.arange(170) * 0.01 * rate).astype(int)
    power = np.add.reduceat(np.square(want), edges) / np.diff(edges, append=len(want))
    for size in (37, 5_000, len(sound)):
        blocks = [sound[i : i + size] for i in range(0, len(sound), size)]
        assert np.abs(energy_of_blocks(blocks, rate) - 10 * np.log10(power / power.max())).max() < 1e-9


def test_a_file_as_its_samples(tmp_path):
    sound = np.concatenate([tone(1.0), silence(0.5), noise(1.03, level=0.1)])
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    shares = []
    db = energy_of_file(tmp_path / "a.wav", progress=shares.append)
    assert np.allclose(db, energy_db(sound, RATE)) and shares[-1] == 1.0


def test_a_file_needs_no_heavy_packages(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([tone(1.0), silence(1.0), tone(1.0)]), RATE)
    code = (
        "import sys; from prosody.speech.segment import segment_file; assert len(segment_file(sys.argv[1])) == 2;"
        "print(sorted({'scipy', 'soxr', 'pandas', 'onnxruntime', 'jsonschema', 'psutil'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.wav")], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("samples", "match"),
    [(np.zeros(2400), "only silence"), (np.full(2400, np.nan), "not numbers"), (np.zeros(0), "no s")],
)
def test_a_file_of_nothing_is_refused_by_name(tmp_path, samples, match):
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(ProsodyError, match=match) as caught:
        energy_of_file(tmp_path / "a.wav")
    assert str(caught.value).startswith(str(tmp_path / "a.wav"))


def test_a_gap_of_an_export_is_no_noise_floor():
    noisy = np.concatenate([tone(2.0), silence(0.5)] * 3) + noise(7.5, level=0.02)
    db = energy_db(np.concatenate([noisy, silence(30.0), noisy]), RATE)
    assert noise_floor_db(db) == pytest.approx(noise_floor_db(energy_db(noisy, RATE)), abs=1.0)
    threshold = threshold_above_noise(db)
    assert len(pause_spans(db, hop_s=0.01, threshold_db=threshold, min_pause_s=0.4)) == 6
    assert noise_floor_db(energy_db(np.concatenate([tone(2.0), silence(1.0)] * 3), RATE)) == energy.FLOOR_DB


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(2400), np.full(2400, np.nan)])
def test_nothing_to_measure(samples):
    with pytest.raises(ProsodyError):
        energy_db(samples, RATE)


@pytest.mark.parametrize("frames", [np.zeros(0), np.array([0.0, np.nan])])
def test_bad_energy(frames):
    with pytest.raises(ProsodyError, match="energy"):
        pause_spans(frames, hop_s=0.01, threshold_db=-35, min_pause_s=0.2)


@pytest.mark.parametrize(
    ("flags", "found"), [("", []), ("...", []), ("###", [(0, 3)]), ("#..##.#", [(0, 1), (3, 5), (6, 7)])]
)
def test_runs(flags, found):
    assert runs(np.array([flag == "#" for flag in flags], dtype=bool)) == found
