import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import dataset, dataset_check, files
from prosody.dataset import Segment, Word
from prosody.errors import ProsodyError
from prosody.markers import TOKENS

INFO = {
    "source_file": "talk.wav",
    "source_sha256": "0" * 64,
    "sample_rate": 24000,
    "profile": {"f0_median_hz": 118.2},
    "parameters": {"min_pause_s": 0.8},
}


def make_segments():
    first = (
        Word("Well,", 0.10, 0.42),
        Word("yes.", 0.70, 1.05, ("<pause_short>", "<pitch_falling>"), {"f0_slope_st": -3.2}, {"<pause_short>": 0.9}),
    )
    second = (
        Word("I", 2.0, 2.1, ("<pause_long>",), {"f0_level_st": None}),
        Word("did.", 2.1, 2.5, ("<emph>",), {"duration_s": 0.4}, {"<emph>": 1.0, "<pitch_high>": 0.0}, 0.25),
    )
    return [
        Segment("segments/segment_001.wav", dataset.text_of(first), 1.2, 0.0, 1.2, "train", first),
        Segment("segments/segment_002.wav", dataset.text_of(second, "<pause_long>"), 0.8, 1.9, 2.7, "val", second),
    ]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    (folder / "segments").mkdir(parents=True)
    for number in range(1, 5):
        (folder / f"segments/segment_{number:03}.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture
def saved(folder):
    dataset.save(folder, make_segments(), INFO)
    return folder


def edit(folder, change):
    """Let `change` alter the JSON list and write it back by hand."""
    path = folder / "prosody_dataset.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw = change(raw) or raw
    path.write_text(json.dumps(raw), encoding="utf-8")


def refused(call, *arguments, **options):
    with pytest.raises(ProsodyError) as caught:
        call(*arguments, **options)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 500
    assert caught.value.remedy
    return line


def test_comes_back_as_it_was_saved(saved):
    loaded = dataset.load(saved)
    assert loaded.segments == tuple(make_segments())
    assert loaded.folder == saved
    assert loaded.info == {
        **INFO,
        "format_version": 1,
        "counts": {
            **dict.fromkeys(TOKENS, 0),
            "<emph>": 1,
            "<pause_short>": 1,
            "<pause_long>": 2,
            "<pitch_falling>": 1,
        },
        "audio_sha256": {one.audio_file: files.sha256(saved / one.audio_file) for one in loaded.segments},
    }
    assert loaded.segments[1].prosody_tokens == ("<pause_long>", "<emph>", "<pause_long>")
    assert dataset.load(saved / "prosody_dataset.json") == loaded


def test_the_file_is_the_contract(saved):
    raw = json.loads((saved / "prosody_dataset.json").read_text(encoding="utf-8"))
    assert list(raw[0]) == [
        "audio_file",
        "text",
        "prosody_tokens",
        "duration",
        "start",
        "end",
        "split",
        "words",
        "review",
    ]
    assert list(raw[0]["words"][0]) == ["text", "start", "end", "markers", "measured", "evidence"]
    assert list(raw[1]["words"][1]) == [*raw[0]["words"][0], "confidence"]  # which older datasets do not have
    assert raw[0]["text"] == "Well, <pause_short> <pitch_falling> yes."
    assert raw[0]["review"] == {"status": "unreviewed", "by": None, "at": None}


def test_pandas_reads_it(saved):
    import pandas

    table = pandas.read_json(saved / "prosody_dataset.json")
    assert list(table["prosody_tokens"][0]) == ["<pause_short>", "<pitch_falling>"]
    assert table["duration"].sum() == pytest.approx(2.0)


def test_extra_keys_are_allowed(saved):
    def change(raw):
        raw[0]["speaker"] = "anna"
        raw[0]["words"][0]["phones"] = ["w"]

    edit(saved, change)
    info_path = saved / "dataset_info.json"
    info_path.write_text(json.dumps({**json.loads(info_path.read_text()), "licence": "CC0"}))
    loaded = dataset.load(saved)
    assert loaded.segments == tuple(make_segments())
    assert loaded.info["licence"] == "CC0"


def test_numpy_numbers_are_saved(folder):
    import numpy

    one = make_segments()[0]
    word = replace(one.words[0], start=numpy.float64(0.1), measured={"energy_db": numpy.float32(1.5)})
    dataset.save(folder, [replace(one, words=(word, one.words[1]), duration=numpy.float64(1.2))], INFO)
    assert dataset.load(folder).segments[0].words[0].measured == {"energy_db": 1.5}


def test_an_empty_dataset(folder):
    dataset.save(folder, [], INFO)
    assert dataset.load(folder).segments == ()


def test_nothing_is_overwritten_unasked(saved):
    before = (saved / "prosody_dataset.json").read_bytes()
    assert "already exists" in refused(dataset.save, saved, make_segments()[:1], INFO)
    assert (saved / "prosody_dataset.json").read_bytes() == before
    dataset.save(saved, make_segments()[:1], INFO, overwrite=True)
    assert len(dataset.load(saved).segments) == 1


def test_what_would_not_load_is_not_saved(saved):
    before = {path.name: path.read_bytes() for path in saved.glob("*") if path.is_file()}
    bad = make_segments()
    bad[1] = replace(bad[1], text="I did.")
    assert "segment 2, word 1, field 'markers'" in refused(dataset.save, saved, bad, INFO, overwrite=True)
    bad[1] = replace(make_segments()[1], duration=math.nan)
    assert "segment 2, field 'duration'" in refused(dataset.save, saved, bad, INFO, overwrite=True)
    assert "'source_sha256'" in refused(
        dataset.save, saved, make_segments(), {**INFO, "source_sha256": "x"}, overwrite=True
    )
    assert {path.name: path.read_bytes() for path in saved.glob("*") if path.is_file()} == before


def test_missing_files_are_named(folder, saved):
    assert "nowhere" in refused(dataset.load, folder / "nowhere")
    (saved / "dataset_info.json").unlink()
    assert "dataset_info.json: not found" in refused(dataset.load, saved)


def put(*keys, value):
    def change(raw):
        inner = raw
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def drop(*keys):
    def change(raw):
        inner = raw
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: {"segments": raw}, "is not of the type array"),
        (put(1, value="x"), 'segment 2: "x" is not of the type object'),
        (drop(1, "duration"), "segment 2: the field 'duration' is missing"),
        (drop(1, "words", 1, "start"), "segment 2, word 2: the field 'start' is missing"),
        (put(0, "duration", value="1.2"), "segment 1, field 'duration': \"1.2\" is not of the type number"),
        (put(0, "split", value="test"), "segment 1, field 'split': \"test\" is not allowed here"),
        (put(0, "prosody_tokens", value=["<EMPH>"]), "segment 1, field 'prosody_tokens.0'"),
        (put(0, "prosody_tokens", value=[]), "segment 1, field 'prosody_tokens': are not the markers of the text"),
        (put(0, "start", value=-1), "segment 1, field 'start': -1 must be at least 0"),
        (put(0, "end", value=math.nan), "segment 1, field 'end': is nan"),
        (put(0, "end", value=10**400), "segment 1, field 'end': is too large"),
        (put(0, "words", 1, "end", value=math.inf), "segment 1, word 2, field 'end': is inf"),
        (put(0, "words", 1, "measured", value={"x": math.nan}), "segment 1, word 2, field 'measured.x': is nan"),
        (put(0, "words", 1, "evidence", value={"<emph>": 1.5}), "1.5 must be at most 1"),
        (put(0, "words", 1, "evidence", value={"<loud>": 0.5}), '"<loud>" is not allowed here'),
        (put(0, "words", 1, "confidence", value=-0.1), "word 2, field 'confidence': -0.1 must be at least 0"),
        (put(0, "words", 1, "confidence", value="high"), '"high" is not of the type number or null'),
        (put(0, "words", 0, "text", value="Well, so"), "segment 1, word 1, field 'text'"),
        (put(0, "end", value=0.0), "segment 1, field 'end': 0.0 is not after start 0.0"),
        (put(1, "start", value=0.5), "segment 2, field 'start': 0.5 lies before the end 1.2"),
        (put(1, "duration", value=3.0), "segment 2, field 'duration': 3.0 is not end - start, 0.800"),
        (put(0, "words", 0, "end", value=0.05), "segment 1, word 1, field 'end': 0.05 lies before its start 0.1"),
        (
            put(0, "words", 1, "start", value=0.2),
            "segment 1, word 2, field 'start': 0.2 lies before the end of the word",
        ),
        (put(1, "words", 0, "start", value=1.0), "segment 2, word 1, field 'start': 1.0 lies before the segment"),
        (put(1, "words", 1, "end", value=9.0), "segment 2, word 2, field 'end': 9.0 lies after the segment's end 2.7"),
        (drop(0, "words", 1), "segment 1, field 'words': holds 1 words, the text 2"),
        (put(0, "words", 1, "text", value="no."), 'segment 1, word 2, field \'text\': is "no.", in the text "yes."'),
        (put(0, "words", 0, "markers", value=["<emph>"]), "word 1, field 'markers': is [\"<emph>\"], in the text []"),
        (put(0, "text", value="Well, \ud800"), "segment 1, field 'text': holds half a pair of surrogates"),
        (put(0, "text", value="Well, <EMPH> yes."), "segment 1, field 'text', line 1, column 7: unknown marker <EMPH>"),
        (put(1, "audio_file", value="segments/segment_001.wav"), "is also the audio of segment 1"),
    ],
)
def test_a_broken_dataset_names_segment_and_field(saved, change, message):
    edit(saved, change)
    line = refused(dataset.load, saved)
    assert line.startswith(str(saved / "prosody_dataset.json") + ": ")
    assert message in line


@pytest.mark.parametrize(
    "audio_file",
    [
        "/etc/passwd",
        "\\\\server\\share\\a.wav",
        "C:/a.wav",
        "C:a.wav",
        "..",
        "../outside.wav",
        "segments/../../outside.wav",
        "segments/../segments/segment_001.wav",
        "segments\\segment_001.wav",
        "segments/segment_001.wav:stream",
        "segments",
        ".",
        "segments/segment_009.wav",
        "segments/segment_001.wav/x",
        "a\0b.wav",
        "x" * 5000,
        "segments/\ud800.wav",
        "file:///etc/passwd",
    ],
)
def test_audio_stays_in_its_folder(saved, audio_file):
    (saved.parent / "outside.wav").write_bytes(b"RIFF")
    edit(saved, put(1, "audio_file", value=audio_file))
    assert "segment 2, field 'audio_file'" in refused(dataset.load, saved)


@pytest.mark.skipif(os.name != "posix", reason="making links needs a privilege here")
def test_a_link_out_of_the_folder_is_not_followed(saved):
    (saved.parent / "outside").mkdir()
    (saved.parent / "outside/a.wav").write_bytes(b"RIFF")
    (saved / "file.wav").symlink_to(saved.parent / "outside/a.wav")
    (saved / "folder").symlink_to(saved.parent / "outside")
    (saved / "loop.wav").symlink_to(saved / "loop.wav")
    (saved / "inside.wav").symlink_to(saved / "segments/segment_003.wav")
    for name in ("file.wav", "folder/a.wav"):
        edit(saved, put(1, "audio_file", value=name))
        assert "leaves the dataset's folder through a link" in refused(dataset.load, saved)
    edit(saved, put(1, "audio_file", value="loop.wav"))
    refused(dataset.load, saved)
    edit(saved, put(1, "audio_file", value="inside.wav"))
    dataset.load(saved)


def test_a_folder_reached_through_a_link_is_fine(saved):
    if os.name != "posix":
        pytest.skip("making links needs a privilege here")
    (saved.parent / "link").symlink_to(saved)
    assert len(dataset.load(saved.parent / "link").segments) == 2


def test_mixed_splits_are_refused(folder):
    words = [(Word("a", float(i), i + 0.5),) for i in range(4)]
    segments = [
        Segment(f"segments/segment_{i + 1:03}.wav", "a", 0.5, float(i), i + 0.5, "train", words[i]) for i in range(4)
    ]
    mixed = [
        replace(segment, split=split) for segment, split in zip(segments, ["train", "val", "val", "train"], strict=True)
    ]
    assert "segment 4, field 'split': returns to \"train\"" in refused(dataset.save, folder, mixed, INFO)


def test_newer_formats_are_refused(saved):
    path = saved / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 2}))
    assert "field 'format_version': 2 is not allowed here — write one of 1" in refused(dataset.load, saved)


def test_text_of_words_in_canonical_order():
    words = [Word("a", 0, 1, ("<emph>", "<pause_long>")), Word("b", 1, 2)]
    assert dataset.text_of(words, "<pause_short>") == "<pause_long> <emph> a b <pause_short>"
    assert dataset.text_of([]) == ""


def test_the_last_stretch_is_for_validation():
    assert dataset.split_by_time(50) == ["train"] * 45 + ["val"] * 5
    assert dataset.split_by_time(2) == ["train", "val"]
    assert dataset.split_by_time(1) == ["train"]
    assert dataset.split_by_time(0) == []
    assert dataset.split_by_time(4, 0) == ["train"] * 4
    assert "val_share" in refused(dataset.split_by_time, 10, 1.0)


@given(st.integers(0, 2000), st.floats(0, 0.999))
def test_splits_are_two_stretches(n_segments, val_share):
    splits = dataset.split_by_time(n_segments, val_share)
    assert len(splits) == n_segments
    assert splits == sorted(splits)
    if n_segments >= 2 and val_share > 0:
        assert set(splits) == {"train", "val"}
    if n_segments:
        assert splits[0] == "train"


@pytest.mark.parametrize("name", ["prosody_dataset", "dataset_info"])
def test_the_shipped_schemas_are_schemas(name):
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(dataset.schema(name))
    assert dataset.schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


finite = st.floats(-100, 100, allow_nan=False)
slots = st.sampled_from(
    [(), ("<emph>",), ("<pause_long>", "<pitch_low>"), ("<pause_short>", "<pitch_rising>", "<emph>")]
)
texts = st.text(min_size=1, max_size=8).map(lambda t: "".join(t.split())).filter(lambda t: t and not set(t) & set("<>"))


@st.composite
def segment_lists(draw):
    at, segments = 0.0, []
    for number in range(draw(st.integers(0, 4))):
        start, words = at, []
        for _ in range(draw(st.integers(1, 4))):
            length = draw(st.floats(0.01, 2))
            measured = draw(st.dictionaries(st.sampled_from(["f0_level_st", "energy_db"]), finite | st.none()))
            evidence = draw(st.dictionaries(st.sampled_from(TOKENS), st.floats(0, 1)))
            sure = draw(st.none() | st.floats(0, 1))
            words.append(Word(draw(texts), at, at + length, draw(slots), measured, evidence, sure))
            at += length
        text = dataset.text_of(words, draw(st.sampled_from([None, "<pause_short>"])))
        review = {
            "status": draw(st.sampled_from(["unreviewed", "accepted"])),
            "by": draw(st.none() | texts),
            "at": None,
        }
        split = "train" if number < 2 else "val"
        name = f"segments/segment_{number + 1:03}.wav"
        segments.append(Segment(name, text, at - start, start, at, split, tuple(words), review))
        at += draw(st.floats(0, 3))
    return segments


@given(segment_lists())
def test_round_trip(tmp_path_factory, segments):
    folder = tmp_path_factory.getbasetemp() / "round_trip_dataset"
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    for segment in segments:
        (folder / segment.audio_file).touch()
    dataset.save(folder, segments, INFO, overwrite=True)
    assert dataset.load(folder).segments == tuple(segments)


def test_data_nested_too_deeply_are_told():
    deep = json.loads("[" * 900 + "]" * 900)
    with pytest.raises(ProsodyError, match="is nested too deeply"):
        dataset_check.schema(Path("dataset_info.json"), {"more": deep}, "dataset_info")
