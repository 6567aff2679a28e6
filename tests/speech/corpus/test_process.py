"""corpus: a folder of recordings heard, run after run."""

import csv
import json
import math
import os
import shutil
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context

import pytest

from prosody import cli, dataset, markers
from prosody.errors import ProsodyError
from prosody.speech.audio import read
from prosody.speech.corpus import contents, result
from prosody.speech.corpus import process as processing
from prosody.speech.corpus.process import process
from prosody.speech.detect import DetectParameters
from prosody.speech.hear import hear
from prosody.speech.profile import f0_counts, pooled
from prosody.speech.thresholds import of_dataset
from prosody.voice.speak import speak

SAID = {
    "anna/monday": "I walked home in the rain, <pause_short> and it was <emph>cold.",
    "anna/two words/tuesday": "Nobody asked <pitch_high>me what the weather was like.",
    "Bén/lunch": "We had soup. <pause_long> Then we went back to work for the day.",
}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Three recordings of two speakers, really spoken."""
    folder = tmp_path_factory.mktemp("spoken") / "talks"
    for name, text in SAID.items():
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True)
        speak(markers.parse(text), out=path)
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def talks(spoken, tmp_path):
    return shutil.copytree(spoken, tmp_path / "talks")


@pytest.fixture(scope="module")
def heard_once(spoken, tmp_path_factory):
    """Their results, for tests that begin where something is there."""
    out = tmp_path_factory.mktemp("heard") / "out"
    process(spoken, out)
    return out


@pytest.fixture
def out(talks, tmp_path, heard_once):
    """The results of `talks`, without the stamps, which are of other files."""
    shutil.copytree(heard_once / "recordings", tmp_path / "out" / "recordings")
    process(talks, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def hearings(monkeypatch):
    """The names of the recordings that are really heard from now on, in this process."""
    names = []

    def noting(audio, *rest, **options):
        names.append(audio.path.stem)
        return hear(audio, *rest, **options)

    monkeypatch.setattr(result, "hear", noting)
    return names


def test_what_comes_out(talks, heard_once):
    index = json.loads((heard_once / "corpus.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in index["recordings"]] == sorted(SAID)
    assert {name: one["recordings"] for name, one in index["speakers"].items()} == {"Bén": 1, "anna": 2}
    assert index["speakers"]["anna"]["profile"]["f0_median_hz"] > 60
    assert index["failures"] == []
    for one in index["recordings"]:
        data = json.loads((heard_once / one["result"]).read_text(encoding="utf-8"))
        plain = markers.strip(SAID[one["name"]]).split()
        assert [word["text"] for word in data["words"]] == plain
        keys = {"text", "start", "end", "markers", "written", "confidence", "measured", "evidence"}
        assert data["words"][0].keys() == keys
        assert markers.strip(data["text"]).split() == plain
    with open(heard_once / "words.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(one["words"] for one in index["recordings"])
    after_pause = next(row for row in rows if row["text"] == "Then")
    assert (after_pause["written"], after_pause["heard"].split()[0]) == ("<pause_long>", "<pause_long>")
    assert float(after_pause["pause_before_s"]) > 0.8


def test_a_result_says_what_detect_says(spoken, heard_once):
    index = json.loads((heard_once / "corpus.json").read_text(encoding="utf-8"))
    one = next(r for r in index["recordings"] if r["name"] == "anna/monday")
    data = json.loads((heard_once / one["result"]).read_text(encoding="utf-8"))
    hearing = hear(read(spoken / "anna" / "monday.wav"), markers.parse(SAID["anna/monday"]))
    assert [tuple(word["markers"]) for word in data["words"]] == list(hearing.heard)
    assert [word["measured"] for word in data["words"]] == [dict(word.measured) for word in hearing.words]


def test_a_run_without_changes_hears_and_writes_nothing(talks, out, hearings, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in (out / "recordings").iterdir()}
    table = (out / "words.csv").stat().st_mtime_ns
    monkeypatch.setattr(processing, "hear_recording", None)  # not even asked
    made = process(talks, out)
    assert (made.n_new, made.failures, made.stale, hearings) == (0, (), (), [])
    assert {path: path.stat().st_mtime_ns for path in (out / "recordings").iterdir()} == before
    assert (out / "words.csv").stat().st_mtime_ns == table


def test_only_what_changed_is_heard(talks, out, hearings):
    (talks / "anna" / "monday.txt").write_text("I walked home in the rain and it was cold.")
    speak(markers.parse("Something new."), out=talks / "Bén" / "new.wav")
    (talks / "Bén" / "new.txt").write_text("Something new.")
    made = process(talks, out)
    assert sorted(hearings) == ["monday", "new"]
    assert made.n_new == 2
    assert len(made.stale) == 1
    assert made.index["speakers"]["Bén"]["words"] == len(SAID["Bén/lunch"].split()) - 1 + 2


def test_touched_and_renamed_files_are_known_by_what_is_in_them(talks, out, hearings):
    os.utime(talks / "anna" / "monday.wav", (1, 1))
    (talks / "Bén").rename(talks / "ben")
    made = process(talks, out)
    assert hearings == []
    assert (made.n_new, set(made.index["speakers"])) == (0, {"anna", "ben"})


def test_without_stamps_the_contents_are_compared(talks, out, hearings):
    (out / ".stamps.json").write_text("[]")
    assert process(talks, out).n_new == 0
    assert hearings == []


def test_other_parameters_judge_anew_without_hearing(talks, out, hearings):
    made = process(talks, out, parameters=DetectParameters(pause_long_s=60.0))
    assert hearings == []
    assert len(made.stale) == 3
    name = next(one["result"] for one in made.index["recordings"] if one["name"] == "Bén/lunch")
    data = json.loads((out / name).read_text(encoding="utf-8"))
    assert "<pause_long>" not in data["text"] and "<pause_short>" in data["text"]
    assert made.index["parameters"]["pause_long_s"] == 60.0


def test_what_was_measured_in_another_way_is_heard_again(talks, out, hearings):
    path = next((out / "recordings").glob("*.json"))
    data = json.loads(json.dumps(result.load(path)).replace('"prominence"', '"loudness"'))
    path.write_text(json.dumps({**data, "sha256": result.digest(data)}), encoding="utf-8")
    assert process(talks, out, parameters=DetectParameters(pause_long_s=60.0)).failures == ()
    assert len(hearings) == 1


def test_another_method_hears_all_again(talks, out, hearings, monkeypatch):
    monkeypatch.setattr(result, "METHOD", "otherwise")
    assert process(talks, out).n_new == 3 == len(hearings)


def test_other_code_sums_up_anew_without_hearing(talks, out, hearings, monkeypatch):
    process(talks, out, datasets=True)
    path = out / "corpus.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["speakers"]["anna"]["words"] = 0
    index["contents_sha256"] = result.digest([index["recordings"], index["speakers"]])
    path.write_text(json.dumps({**index, "made_by": "otherwise"}), encoding="utf-8")
    info = out / "datasets" / "anna" / dataset.INFO_FILE
    before = json.loads(info.read_text(encoding="utf-8"))
    info.write_text(json.dumps({**before, "made_by": "otherwise", "profile": None}), encoding="utf-8")
    made = process(talks, out, datasets=True)
    assert (made.n_new, made.failures, hearings) == (0, (), [])
    assert made.index["speakers"]["anna"]["words"] > 0
    assert json.loads(info.read_text(encoding="utf-8")) == before


def test_what_is_gone_leaves_the_index_and_is_named(talks, out):
    (talks / "anna" / "monday.wav").unlink()
    made = process(talks, out)
    assert [one["name"] for one in made.index["recordings"]] == ["Bén/lunch", "anna/two words/tuesday"]
    assert len(made.stale) == 1 and (out / made.stale[0]).is_file()
    assert "has no recording" in str(made.failures[0])


def test_a_damaged_result_is_made_again(talks, out, hearings):
    damaged = next((out / "recordings").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:50])
    (out / "words.csv").unlink()
    assert len(process(talks, out).failures) == 1
    made = process(talks, out)
    assert (made.failures, len(hearings)) == ((), 1)


@pytest.mark.parametrize("edit", [{"words": []}, {"f0_counts": 3}, {"words": [{}]}, {"duration": "long"}])
def test_a_result_edited_by_hand_is_made_again(talks, out, hearings, edit):
    path = next((out / "recordings").iterdir())
    before = path.read_bytes()
    path.write_text(json.dumps({**json.loads(before), **edit}), encoding="utf-8")
    (out / "words.csv").unlink()
    assert ["edited" in str(error) for error in process(talks, out).failures] == [True]
    assert (process(talks, out).failures, len(hearings)) == ((), 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("field", ["name", "result", "audio_sha256", None])
def test_an_index_edited_by_hand_is_made_again(talks, out, hearings, field):
    path = out / "corpus.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    edited = json.loads(path.read_text(encoding="utf-8"))
    if field is None:
        edited["speakers"] = 3.5
    else:
        del edited["recordings"][0][field]
    path.write_text(json.dumps(edited), encoding="utf-8")
    made = process(talks, out, datasets=True)
    assert (made.n_new, made.failures, hearings) == (0, (), [])
    assert json.loads(path.read_text(encoding="utf-8")) == before


def test_a_failing_recording_does_not_stop_the_others(talks, tmp_path, hearings):
    (talks / "anna" / "monday.wav").write_bytes(b"RIFF")
    (talks / "Bén" / "lunch.txt").write_text("We had <soop> soup.")
    out = tmp_path / "out"
    made = process(talks, out)
    assert [one["name"] for one in made.index["recordings"]] == ["anna/two words/tuesday"]
    assert {os.path.basename(error.path) for error in made.failures} == {"monday.wav", "lunch.txt"}
    assert {one["path"] for one in made.index["failures"]} == {"anna/monday.wav", "Bén/lunch.txt"}
    assert all(one["what"] and one["remedy"] for one in made.index["failures"])
    (talks / "Bén" / "lunch.txt").write_text(SAID["Bén/lunch"])
    hearings.clear()
    assert process(talks, out).n_new == 1
    assert hearings == ["lunch"]


def test_a_bug_on_one_recording_does_not_stop_the_others(talks, tmp_path, monkeypatch):
    def breaking(audio, *rest, **options):
        if audio.path.stem == "monday":
            raise ValueError("no\nsuch")
        return hear(audio, *rest, **options)

    monkeypatch.setattr(result, "hear", breaking)
    made = process(talks, tmp_path / "out")
    assert made.n_new == 2
    assert "ValueError: no\\nsuch" in str(made.failures[0])
    assert "breaking" in made.index["failures"][0]["trace"]


def test_a_file_that_changes_while_it_is_read(talks, tmp_path, monkeypatch):
    def changing(audio, *rest, **options):
        found = hear(audio, *rest, **options)
        os.utime(talks / "Bén" / "lunch.txt", (5, 5))
        return found

    monkeypatch.setattr(result, "hear", changing)
    made = process(talks, tmp_path / "out")
    assert ["changed while" in str(error) for error in made.failures] == [True]
    assert made.n_new == 2


class Promising(Executor):
    """An executor that keeps only the promise of submit."""

    def submit(self, function, /, *arguments):
        future = Future()

        def work():
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work).start()
        return future


@pytest.mark.parametrize("kind", ["spawn", "threads", "submit only"])
def test_any_executor_does(talks, tmp_path, heard_once, kind):
    make = {
        "spawn": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
        "threads": lambda: ThreadPoolExecutor(2),
        "submit only": Promising,
    }[kind]
    steps = []
    with make() as executor:
        process(talks, tmp_path / "out", executor=executor, progress=steps.append)
    assert (steps[-1].done, steps[-1].share, steps[-1].left_s) == (3, 1.0, 0.0)
    for path in (heard_once / "recordings").iterdir():
        assert (tmp_path / "out" / "recordings" / path.name).read_bytes() == path.read_bytes()
    assert (tmp_path / "out" / "words.csv").read_bytes() == (heard_once / "words.csv").read_bytes()


def test_the_time_left_does_not_grow_while_nothing_ends(talks, tmp_path):
    begun = []

    def submit(pool, function, *arguments):
        begun.append(1)
        wait_s = 0.5 if len(begun) < 3 else 4.0
        return pool.submit(lambda: (time.sleep(wait_s), function(*arguments))[1])

    class Slow(Executor):
        pool = ThreadPoolExecutor(3)

        def submit(self, function, /, *arguments):
            return submit(self.pool, function, *arguments)

    steps = []
    process(talks, tmp_path / "out", executor=Slow(), progress=steps.append)
    waiting = [step.left_s for step in steps if step.done == 2]
    assert len(waiting) >= 3, "nothing was told while the last one was heard"
    told = [left for left in waiting if left is not None]
    assert told == sorted(told, reverse=True) and None in [*waiting, steps[-2].left_s]


class Breaking(Executor):
    """A pool whose worker dies at its `at`th task."""

    def __init__(self, at):
        self.at, self.asked = at, []

    def submit(self, function, /, task):
        self.asked.append(os.path.basename(task.audio))
        future = Future()
        if len(self.asked) == self.at:
            future.set_exception(BrokenProcessPool("a process ended abruptly"))
        elif len(self.asked) > self.at:
            raise BrokenProcessPool("the pool is not usable any more")
        else:
            future.set_result(function(task))
        return future


def test_a_worker_that_dies_is_one_line_and_what_was_done_stays(talks, tmp_path):
    out, pool = tmp_path / "out", Breaking(2)
    made = process(talks, out, executor=pool)
    assert len(made.failures) == 1
    assert "2 recordings were not heard" in str(made.failures[0]) and "workers" in str(made.failures[0])
    assert (made.n_new, len(made.index["recordings"])) == (1, 1)
    again = Breaking(9)
    assert process(talks, out, executor=again).n_new == 2
    assert again.asked == ["tuesday.wav", "monday.wav"]  # the one that may have killed it comes last


def test_two_runs_at_once(talks, tmp_path, heard_once):
    made = {}

    def work(number):
        made[number] = process(talks, tmp_path / "out")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made[number].failures for number in (0, 1)] == [(), ()]
    assert (tmp_path / "out" / "words.csv").read_bytes() == (heard_once / "words.csv").read_bytes()
    assert process(talks, tmp_path / "out").n_new == 0
    assert [path.name for path in (tmp_path / "out").rglob(".tmp-*")] == []


def test_what_is_no_folder_of_recordings(talks, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "corpus.json").write_text('{"format_version": 1, "folder": "../elsewhere"}')
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "corpus.json").write_text("{}")
    for folder, out, told in (
        (tmp_path / "none", tmp_path / "o", "not found"),
        (empty, tmp_path / "o", "holds no recordings"),
        (talks, talks, "folder of the recordings"),
        (talks, talks / "anna" / "monday.txt", "not a folder"),
        (talks, other, "another folder"),
        (talks, foreign, "no index"),
    ):
        with pytest.raises(ProsodyError, match=told):
            process(folder, out)
    assert not (tmp_path / "o").exists()


def test_a_table_of_somebody_else_is_never_overwritten(talks, out):
    table = (out / "words.csv").read_bytes()
    (out / "corpus.json").unlink()
    process(talks, out)
    assert (out / "words.csv").read_bytes() == table
    (out / "corpus.json").unlink()
    (out / "words.csv").write_text("word,count\n")
    with pytest.raises(ProsodyError, match="not of this program"):
        process(talks, out)
    assert (out / "words.csv").read_text() == "word,count\n"


def test_results_inside_the_recordings_folder_are_not_recordings(talks):
    process(talks, talks / "out")
    assert process(talks, talks / "out").n_new == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_and_a_dangling_link_are_told_not_read(talks, tmp_path):
    os.mkfifo(talks / "pipe.wav")
    (talks / "pipe.txt").write_text("x")
    (talks / "link.wav").symlink_to(tmp_path / "gone.wav")
    (talks / "link.txt").write_text("x")
    made = process(talks, tmp_path / "out")
    told = sorted(str(error) for error in made.failures)
    assert "link.wav: not found" in told[0] and "pipe, not a file" in told[1]


def test_a_speakers_profile_is_over_all_words(heard_once, spoken):
    index = json.loads((heard_once / "corpus.json").read_text(encoding="utf-8"))
    profile = index["speakers"]["anna"]["profile"]
    own = [one for one in index["recordings"] if one["speaker"] == "anna"]
    minutes = sum(one["duration"] for one in own) / 60
    assert profile["words_per_minute"] == pytest.approx(sum(one["words"] for one in own) / minutes, rel=1e-3)


def test_old_leftovers_are_cleared_and_fresh_ones_kept(talks, out):
    for name, age_s in ((".tmp-old.json", 7200), (".tmp-new.json", 0)):
        path = out / "recordings" / name
        path.touch()
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    process(talks, out)
    assert [path.name for path in (out / "recordings").glob(".tmp-*")] == [".tmp-new.json"]


def test_the_command(talks, out, capsys, monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    assert cli.main(["corpus", str(talks), "-o", str(out)]) == 0
    captured = capsys.readouterr()
    assert "anna" in captured.out and "0 heard, 3 known" in captured.err
    (talks / "anna" / "lost.wav").touch()
    assert cli.main(["corpus", str(talks), "-o", str(out), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["heard_now"] == 0
    assert "lost.wav: has no transcript beside it — put lost.txt" in captured.err
    assert "Traceback" not in captured.err
    assert cli.main(["corpus", str(talks), "-o", str(out), "--workers", "0"]) == 2


def test_paths_in_the_index_are_relative(heard_once):
    index = json.loads((heard_once / contents.INDEX).read_text(encoding="utf-8"))
    assert not os.path.isabs(index["folder"])
    assert not any(os.path.isabs(one["result"]) for one in index["recordings"])


def test_datasets_of_speakers(talks, out, hearings):
    made = process(talks, out, datasets=True)
    assert (made.failures, made.stale, hearings) == ((), (), [])
    anna = dataset.load(out / "datasets" / "anna")
    own = [one for one in made.index["recordings"] if one["speaker"] == "anna"]
    assert " ".join(s.text for s in anna.segments).replace("> ", ">") == " ".join(
        SAID[one["name"]].replace("> ", ">") for one in own
    )
    assert [one["name"] for one in anna.info["sources"]] == [one["name"] for one in own]
    assert anna.segments[-1].start > own[0]["duration"] - 0.01 and anna.segments[-1].split == "val"
    assert all(word.measured and word.evidence for s in anna.segments for word in s.words)
    assert all(word.confidence is not None for s in anna.segments for word in s.words)
    assert anna.info["profile"] == made.index["speakers"]["anna"]["profile"]
    assert anna.info["markers_from"] == "transcript"
    assert of_dataset(anna) == DetectParameters()
    before = (out / "datasets" / "anna" / dataset.DATASET_FILE).stat().st_mtime_ns
    process(talks, out, datasets=True)
    assert (out / "datasets" / "anna" / dataset.DATASET_FILE).stat().st_mtime_ns == before


def test_a_transcript_without_markers_gives_a_dataset_marked_from_the_sound(talks, out):
    (talks / "Bén" / "lunch.txt").write_text(markers.strip(SAID["Bén/lunch"]))
    process(talks, out, datasets=True)
    data = dataset.load(out / "datasets" / "Bén")
    assert data.info["markers_from"] == data.info["parameters"]["prepare"]["markers"] == "audio"
    assert "<pause_long>" in " ".join(s.text for s in data.segments)


def test_the_profile_counts_the_markers_of_the_dataset(talks, out, capsys, monkeypatch):
    monkeypatch.setenv("PROSODY_SETUP", "off")
    (talks / "Bén" / "lunch.txt").write_text(markers.strip(SAID["Bén/lunch"]))
    assert cli.main(["corpus", str(talks), "-o", str(out), "--datasets", "--workers", "1"]) == 0
    printed = {line.split()[0]: line.split()[-2:] for line in capsys.readouterr().out.splitlines()}
    assert printed["speaker"] == ["markers", "from"]
    speakers = json.loads((out / "corpus.json").read_text(encoding="utf-8"))["speakers"]
    for name, source in (("anna", "transcript"), ("Bén", "audio")):
        data = dataset.load(out / "datasets" / name)
        words = [word for segment in data.segments for word in segment.words]
        rates = {token: round(100 * sum(token in w.markers for w in words) / len(words), 3) for token in markers.TOKENS}
        assert data.info["profile"]["markers_per_100_words"] == rates and sum(rates.values()) > 0
        assert data.info["profile"] == speakers[name]["profile"]
        assert data.info["markers_from"] == speakers[name]["markers_from"] == source
        assert data.info["parameters"]["prepare"]["markers"] == source
        assert printed[name] == [f"{sum(rates.values()):.1f}", source]


def test_a_dataset_that_was_reviewed_is_never_replaced(talks, out, monkeypatch):
    process(talks, out, datasets=True)
    path = out / "datasets" / "Bén" / dataset.DATASET_FILE
    path.write_text(path.read_text().replace("unreviewed", "accepted"))
    reviewed = path.read_bytes()
    assert process(talks, out, datasets=True).failures == ()
    with monkeypatch.context() as patched:  # other code hears the same anew: no reason to complain
        patched.setattr(result, "METHOD", "otherwise")
        assert process(talks, out, datasets=True).failures == ()
    assert path.read_bytes() == reviewed
    changed = process(talks, out, datasets=True, parameters=DetectParameters(pause_long_s=60.0)).failures
    assert ["reviewed: left as it is" in str(one) for one in changed] == [True]
    (talks / "Bén" / "lunch.txt").write_text(markers.strip(SAID["Bén/lunch"]))
    (talks / "anna" / "monday.txt").write_text(markers.strip(SAID["anna/monday"]))
    made = process(talks, out, datasets=True)
    assert ["reviewed: left as it is" in str(one) for one in made.failures] == [True]
    assert path.read_bytes() == reviewed
    data = dataset.load(out / "datasets" / "anna")
    assert not any("<emph>" in segment.text for segment in data.segments)
    shutil.rmtree(talks / "anna")
    assert "datasets/anna" in process(talks, out).stale


@pytest.mark.parametrize("own", ["edited.TextGrid", "segments/note.txt", ".git/config"])
def test_what_a_person_put_into_a_dataset_is_never_removed(talks, out, own):
    process(talks, out, datasets=True)
    path = out / "datasets" / "Bén" / own
    path.parent.mkdir(exist_ok=True)
    path.write_text("hours of work")
    assert process(talks, out, datasets=True).failures == ()
    (talks / "Bén" / "lunch.txt").write_text(markers.strip(SAID["Bén/lunch"]))
    made = process(talks, out, datasets=True)
    assert [own in str(one) for one in made.failures] == [True]
    assert path.read_text() == "hours of work"


def test_a_folder_that_is_no_dataset_of_this_command_is_never_removed(talks, out):
    notes = out / "datasets" / "anna" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    made = process(talks, out, datasets=True)
    assert ["notes.txt" in str(one) for one in made.failures] == [True]
    assert [path.name for path in notes.parent.iterdir()] == ["notes.txt"]
    path = out / "datasets" / "Bén" / dataset.INFO_FILE
    info = json.loads(path.read_text(encoding="utf-8"))
    del info["made_from"]
    path.write_text(json.dumps(info), encoding="utf-8")
    failures = process(talks, out, datasets=True).failures
    assert sorted("made otherwise" in str(one) for one in failures) == [False, True]


def test_a_profile_from_counts_is_that_of_the_frames(spoken):
    audio, marked = read(spoken / "anna" / "monday.wav"), markers.parse(SAID["anna/monday"])
    heard = hear(audio, marked)
    measured, written = [w.measured for w in heard.words], [w.markers for w in heard.words]
    counts = f0_counts(heard.tracks)
    alone = pooled([counts], measured, written, duration_s=audio.duration)
    assert 12 * math.log2(alone.f0_median_hz / heard.profile.f0_median_hz) == pytest.approx(0, abs=0.05)
    assert alone.f0_spread_st == pytest.approx(heard.profile.f0_spread_st, abs=0.1)
    rest = {"f0_median_hz": None, "f0_spread_st": None}
    assert replace(alone, **rest) == replace(heard.profile, **rest)
    twice = pooled([counts, counts], [*measured, *measured], [*written, *written], duration_s=2 * audio.duration)
    assert twice.f0_median_hz == pytest.approx(alone.f0_median_hz)
    assert twice.words_per_minute == pytest.approx(alone.words_per_minute)
    assert pooled([{}], measured, written, duration_s=1.0).f0_median_hz is None
