import os
import struct

import numpy as np
import pytest
import soundfile
from speech_sounds import noise, silence, tone

from prosody import markers
from prosody.errors import ProsodyError
from prosody.speech import audio, blocks
from prosody.speech.audio import read, read_transcript, write_wav
from prosody.speech.check import check
from prosody.speech.segment import energy_of_file

RATE = 24_000


@pytest.fixture
def put(tmp_path):
    """Write samples (or bytes) to a file and give its path."""

    def _put(name, content, rate=RATE, **kwargs):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            soundfile.write(path, content, rate, **kwargs)
        return path

    return _put


def refused(path, match):
    with pytest.raises(ProsodyError, match=match) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(str(path)) and "\n" not in line and " — " in line
    return line


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_reads_each_format(put, name):
    heard = read(put(name, tone(2.0)))
    assert heard.sample_rate == RATE and heard.samples.dtype == np.float32
    assert heard.duration == pytest.approx(2.0, abs=0.06)
    assert np.abs(heard.samples).max() == pytest.approx(0.5, abs=0.05)
    assert heard.notes == () and heard.channels == 1 and len(heard.sha256) == 64


def test_an_mp3_cut_in_the_middle_is_refused_and_its_decoder_says_nothing(put, capfd):
    whole = put("whole.mp3", tone(12.0)).read_bytes()
    line = refused(put("cut.mp3", whole[: len(whole) // 2]), "promises 12.0 s of audio and holds [56]")
    assert "copy or export" in line
    assert capfd.readouterr().err == ""


def test_floats_beyond_full_scale_are_made_to_fit(put):
    loud = read(put("a.wav", tone(2.0) * 30_000, subtype="FLOAT"))
    assert np.abs(loud.samples).max() == pytest.approx(1.0)
    assert np.abs(loud.samples - 2 * tone(2.0)).max() < 1e-3
    assert loud.notes == ("up to 15,000 times full scale: made quieter, to fit",)
    fair = read(put("b.wav", tone(2.0) * 2.4, subtype="FLOAT"))
    assert np.abs(fair.samples).max() == pytest.approx(1.2, abs=1e-3) and fair.notes == ()


def test_what_is_read_is_what_was_written(tmp_path):
    samples = noise(1.0, level=0.1)
    write_wav(tmp_path / "a.wav", samples, RATE)
    heard = read(tmp_path / "a.wav")
    assert np.abs(heard.samples - samples).max() <= 1 / 32768
    with pytest.raises(ProsodyError, match="already exists"):
        write_wav(tmp_path / "a.wav", samples, RATE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_loud_samples_are_limited_not_wrapped(tmp_path):
    write_wav(tmp_path / "a.wav", np.array([0.0, 1.7, -1.7], dtype=np.float32), RATE)
    assert np.allclose(soundfile.read(tmp_path / "a.wav")[0], [0, 1, -1], atol=1e-4)


def test_stereo_at_44_1_khz_is_mixed_and_resampled(put):
    one, other = tone(3.0, rate=44_100), tone(3.0, rate=44_100, hz=440.0)
    heard = read(put("a.wav", np.stack([one, other], axis=1), 44_100))
    assert heard.source_rate == 44_100 and heard.channels == 2
    assert heard.notes == ("stereo: mixed down to mono", "44,100 Hz: resampled to 24,000 Hz")
    want = (tone(3.0) + tone(3.0, hz=440.0)) / 2
    middle = slice(2400, -2400)
    assert len(heard.samples) == len(want)
    assert np.abs(heard.samples - want)[middle].max() < 1e-3


def test_channels_that_cancel_each_other(put):
    one = tone(1.0)
    heard = read(put("a.wav", np.stack([one, -one], axis=1)))
    assert heard.notes == ("stereo: the channels cancel each other: used the loudest one",)
    assert np.abs(heard.samples).max() == pytest.approx(0.5, abs=0.01)


def test_8_khz_is_read_with_a_word_on_it(put):
    heard = read(put("a.wav", tone(12.0, rate=8000), 8000))
    assert heard.notes == ("8,000 Hz: resampled to 24,000 Hz; nothing above 4,000 Hz in it",)
    assert check(heard, audio.markers.parse("word " * 30)).findings[0].level == "warning"


def test_blocks_join_without_a_seam(put, monkeypatch):
    path = put("a.wav", tone(2.0, rate=16_000), 16_000)
    whole = read(path).samples
    monkeypatch.setattr(blocks, "_BLOCK", 1000)
    assert np.abs(read(path).samples - whole).max() < 1e-5


def test_missing_file(tmp_path):
    refused(tmp_path / "none.wav", "not found")


def test_folder(tmp_path):
    refused(tmp_path, "is a folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("hear", [read, lambda path: energy_of_file(path, hop_s=0.01)])
def test_a_pipe_is_not_waited_for(tmp_path, hear):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(ProsodyError, match="not a file"):
        hear(tmp_path / "pipe.wav")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="file permissions do not bind this user")
def test_unreadable_file(put):
    path = put("a.wav", tone(1.0))
    path.chmod(0)
    refused(path, "may not be read")


def test_no_bytes(put):
    refused(put("a.wav", b""), "is empty")


def test_no_samples(put):
    refused(put("a.wav", silence(0)), "holds no samples")


def test_text_renamed(put):
    refused(put("a.wav", b"Hello, this is my talk about clocks.\n"), "is text, not audio .*“Hello, this is my talk")


def test_bytes_of_no_format(put):
    refused(put("a.wav", bytes(range(1, 200)) * 50), "cannot be read as audio")


@pytest.mark.parametrize("head", [b"\0\0\0\x20ftypM4A \0\0\2\0isomiso2", b"\x1a\x45\xdf\xa3", b"\xff\xf1\x50\x80"])
def test_formats_that_are_not_read(put, head):
    line = refused(put("talk.m4a", head + bytes(100)), "WAV, FLAC, OGG and MP3 are read")
    assert "ffmpeg -i talk.m4a talk.wav" in line
    line = refused(put("talk.wav", head + bytes(100)), "WAV, FLAC, OGG and MP3 are read")
    assert "ffmpeg -i talk.wav talk_converted.wav" in line


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_wav_cut_short(put, kept):
    path = put("a.wav", tone(4.0))
    data = path.read_bytes()
    refused(put("b.wav", data[: int(len(data) * kept)]), r"promises 4\.0 s of audio and holds [24]\.\d s")


def test_wav_with_only_a_header(put):
    path = put("a.wav", tone(4.0))
    refused(put("b.wav", path.read_bytes()[:44]), "holds no samples")
    refused(put("c.wav", path.read_bytes()[:20]), "holds no samples|cannot be read")


def test_flac_cut_short(put):
    path = put("a.flac", noise(8.0, level=0.1))
    data = path.read_bytes()
    refused(put("b.flac", data[: len(data) // 2]), "promises|cannot be read")


def test_streamed_wav_without_a_length_is_read(put):
    data = bytearray(put("a.wav", tone(1.0)).read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFFF)
    assert read(put("b.wav", bytes(data))).duration == pytest.approx(1.0)


def test_wav_with_more_chunks_is_read(put):
    data = put("a.wav", tone(1.0)).read_bytes()
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert read(put("b.wav", data[:12] + extra + data[12:] + extra)).duration == pytest.approx(1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers(put, value):
    samples = tone(2.0)
    samples[24_000:24_010] = value
    line = refused(put("a.wav", samples, subtype="FLOAT"), "not numbers")
    assert "1.000 s" in line


def test_all_silence(put):
    refused(put("a.wav", silence(20)), "only silence")
    refused(put("b.wav", noise(20, level=1e-6), subtype="FLOAT"), "only silence")


def test_a_rate_too_low(put):
    refused(put("a.wav", tone(2.0, rate=4000), 4000), "4,000 Hz")


def transcript(tmp_path, data):
    path = tmp_path / "t.txt"
    path.write_bytes(data)
    return path


def test_transcript(tmp_path):
    marked = read_transcript(transcript(tmp_path, "Well, <pause_short> <emph> this\nis über it.".encode()))
    assert [word.text for word in marked.words] == ["Well,", "this", "is", "über", "it."]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"<pause_long>\n", "holds no words"),
        (b"fine\nnot \xff\xfe fine", "line 2: is not UTF-8"),
        (b"a word\nand\0nothing", "line 2: holds a null character"),
        (b"one <EMPH> two", r"line 1, column 5: unknown marker <EMPH>"),
        (b"one\ntwo <pause_medium> three", r"line 2, column 5: unknown marker <pause_medium>.*nearest marker"),
        (b"one <pitch_high> <pitch_low> two", r"line 1, column 18: two pitch markers"),
    ],
)
def test_bad_transcripts(tmp_path, data, match):
    path = transcript(tmp_path, data)
    with pytest.raises(ProsodyError, match=match) as caught:
        read_transcript(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_missing_transcript(tmp_path):
    with pytest.raises(ProsodyError, match="not found"):
        read_transcript(tmp_path / "none.txt")


def test_a_textgrid_is_a_transcript(tmp_path):
    words = '"IntervalTier" "words" 0 3 3 0 1 "we" 1 2 "" 2 3 "<emph> did"'
    marks = '"IntervalTier" "markers" 0 3 1 1 2 "<pause_long>"'
    path = tmp_path / "talk.TextGrid"
    path.write_text(f'File type = "ooTextFile"\nObject class = "TextGrid"\n0 3 <exists> 2 {words} {marks}\n')
    assert markers.render(read_transcript(path)) == "we <pause_long> <emph> did"
