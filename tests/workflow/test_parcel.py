"""A run goes out and comes in as it was; what was made to harm, or is damaged, changes nothing."""

import base64
import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from prosody.errors import ProsodyError
from prosody.files import read_json, write_json
from prosody.workflow import record, scrub
from prosody.workflow.exchange import parcel, unpack

SOUND = base64.b64encode(b"sound" * 40).decode()


@pytest.fixture
def run(made, runs):
    """A run of its own for each test."""
    return Path(shutil.copytree(made, runs / "train" / made.name))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An ok run of train, with a result in a folder, a sound, and a sound in its notebook."""
    folder = record.start("train", {"epochs": 3}, runs=tmp_path_factory.mktemp("made"), how="headless")
    (folder / "dirty.patch").unlink(missing_ok=True)  # what is uncommitted where the tests run may name its folders
    (folder / "artifacts" / "adapter").mkdir()
    (folder / "artifacts" / "adapter" / "weights.bin").write_bytes(b"weights" * 1000)
    (folder / "artifacts" / "said.wav").write_bytes(b"sound")
    (folder / "report.html").write_text("made anew")
    html = f'<audio src="data:audio/wav;base64,{SOUND}"></audio>'
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
    write_json(folder / "notebook.ipynb", {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    write_json(folder / "outputs.json", record.described(folder / "artifacts", folder), overwrite=True)
    record.end(folder, "ok", code=0)
    return folder


def exported(folder: Path, out: Path, **how) -> Path:
    parcel.write(parcel.gather(folder, **how), out)
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["out.zip", "out"])
def test_a_run_comes_in_elsewhere_as_it_was(run, tmp_path, name):
    out, elsewhere = exported(run, tmp_path / name), tmp_path / "elsewhere"
    folder, is_new = unpack.take_in(out, elsewhere)
    assert is_new and folder == elsewhere / "train" / run.name
    assert files_of(folder) == {name: data for name, data in files_of(run).items() if name != "report.html"}
    assert record.read(folder).status == record.read(run).status
    assert record.find(elsewhere, "train", run.name).artifacts == folder / "artifacts"
    assert [path.name for path in elsewhere.iterdir()] == ["train"]
    assert unpack.take_in(out, elsewhere) == (folder, False)


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    one, two = (exported(run, tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert one == two


def test_a_zip_packed_again_with_its_folder_comes_in(run, tmp_path):
    exported(run, tmp_path / "packed" / "my run")
    shutil.make_archive(str(tmp_path / "again"), "zip", tmp_path / "packed")
    assert unpack.take_in(tmp_path / "again.zip", tmp_path / "elsewhere")[1]


def test_without_audio_there_is_none_in_files_and_none_in_the_notebook(run, tmp_path):
    out = exported(run, tmp_path / "out", without_audio=True)
    assert not (out / "artifacts" / "said.wav").exists()
    assert SOUND[:40] not in (out / "notebook.ipynb").read_text() and "<audio" in (out / "notebook.ipynb").read_text()
    assert read_json(out / parcel.MANIFEST)["left_out"] == [{"path": "artifacts/said.wav", "why": "audio"}]
    folder, _ = unpack.take_in(out, tmp_path / "elsewhere")
    assert record.read(folder).state == "ok"
    assert SOUND[:40] in (run / "notebook.ipynb").read_text(), "the run itself stays as it is"


def test_inputs_go_along_and_what_is_not_as_it_was_is_told(run, tmp_path):
    there = {name: tmp_path / name for name in ("talk.txt", "gone.txt", "new.txt")}
    for path in there.values():
        path.write_text(path.name)
    inputs = [entry for path in there.values() for entry in record.described(path, run)]
    write_json(run / "inputs.json", inputs, overwrite=True)
    there["gone.txt"].unlink()
    there["new.txt"].write_text("another text")
    found = parcel.gather(run, with_inputs=True)
    assert [name.rpartition("/")[2] for name in found.parts if name.startswith("inputs/")] == ["talk.txt"]
    assert [one["why"] for one in found.left_out] == ["is no longer there", "was changed since"]


def test_a_result_that_was_changed_since_does_not_go_out(run):
    (run / "artifacts" / "said.wav").write_bytes(b"other")
    with pytest.raises(ProsodyError, match=r"said\.wav: is not what the run made: it was changed since"):
        parcel.gather(run)


def test_a_file_that_grows_meanwhile_is_told_and_a_log_that_grows_is_kept_as_it_was(runs, tmp_path):
    folder = record.start("train", {}, runs=runs, how="headless")
    (folder / "artifacts" / "state.bin").write_bytes(b"1")
    (folder / "log.txt").write_text("begun\n")
    found = parcel.gather(folder)
    (folder / "log.txt").write_text("begun\nand more\n")
    parcel.write(found, tmp_path / "out")
    assert (tmp_path / "out" / "log.txt").read_text() == "begun\n"
    (folder / "artifacts" / "state.bin").write_bytes(b"2")
    for name in ("out.zip", "two"):
        with pytest.raises(ProsodyError, match=r"state\.bin: was changed while it was exported"):
            parcel.write(found, tmp_path / name)
        assert not (tmp_path / name).exists()
    record.end(folder, "ok", code=0)


def test_a_run_that_went_on_when_it_was_exported_is_killed_where_it_comes_in(runs, tmp_path):
    folder = record.start("train", {}, runs=runs, how="headless")
    out = exported(folder, tmp_path / "out.zip")
    record.end(folder, "ok", code=0)
    came, _ = unpack.take_in(out, tmp_path / "elsewhere")
    assert record.read(came).state == "killed" and record.read(came).status["started"]
    assert unpack.take_in(out, tmp_path / "elsewhere") == (came, False)
    with pytest.raises(ProsodyError, match="is here already: the same run, but it ended or made something else there"):
        unpack.take_in(out, runs)


def test_another_run_of_the_same_id_stays(run, runs, tmp_path):
    out = exported(run, tmp_path / "out.zip")
    record.write_status(run, pid=1)
    before = files_of(runs)
    with pytest.raises(ProsodyError, match="is here already, and another run than this"):
        unpack.take_in(out, runs)
    assert files_of(runs) == before


def test_an_older_record_goes_out_without_the_home_folder(run, tmp_path, monkeypatch):
    home = tmp_path / "home" / ("berta_" + "testperson")
    home.mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    write_json(run / "params.json", {"audio": f"{home}/talk.wav"}, overwrite=True)
    entry = {"path": record.shown(tmp_path) + f"/home/{home.name}/talk.wav", "sha256": "0" * 64, "bytes": 1}
    write_json(run / "inputs.json", [entry], overwrite=True)
    (run / "log.txt").write_text(f"read {home}/talk.wav\n")
    (run / "dirty.patch").write_text(f'--- a/x\n+++ b/x\n-audio = ""\n+audio = "{home}/talk.wav"\n')
    (run / "tb" / "events.out.tfevents.1795828061.bertas-pc.local.13614.0").write_bytes(b"")
    out = exported(run, tmp_path / "out")
    assert all(home.name.encode() not in data for data in files_of(out).values())
    assert (out / "dirty.patch").read_text().endswith('+audio = "~/talk.wav"\n')
    assert [path.name for path in (out / "tb").iterdir()] == ["events.out.tfevents.1795828061.here.13614.0"]
    assert read_json(out / "inputs.json")[0]["path"] == "~/talk.wav"
    (run / "artifacts" / "adapter" / "weights.bin").unlink()
    (run / "artifacts" / "notes.txt").write_text(f"mine: {home}")
    assert parcel.telltale(parcel.gather(run)) == ["artifacts/notes.txt"]


def rewritten(zipped: Path, change) -> None:
    """Write a zip anew after `change` has been at its manifest and its members, name → (bytes, mode)."""
    with zipfile.ZipFile(zipped) as source:
        members = {info.filename: (source.read(info), info.external_attr) for info in source.infolist()}
    manifest = json.loads(members[parcel.MANIFEST][0])
    change(manifest, members)
    members[parcel.MANIFEST] = (json.dumps(manifest).encode(), members[parcel.MANIFEST][1])
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as target:
        for name, (data, mode) in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, mode
            target.writestr(info, data)


def renamed(name):
    def change(manifest, members):
        entry = next(one for one in manifest["files"] if one["path"] == "log.txt")
        entry["path"], members[name] = name, members.pop("log.txt")

    return change


def linked(manifest, members):
    members["log.txt"] = (b"/etc/passwd", (stat.S_IFLNK | 0o777) << 16)


def bomb(manifest, members):
    members["artifacts/zeros.bin"] = (b"\0" * 150_000_000, 0)


def flipped(manifest, members):
    members["log.txt"] = (b"another\n", members["log.txt"][1])


def forged(manifest, members):
    import hashlib

    members["artifacts/said.wav"] = (b"other", 0)
    entry = next(one for one in manifest["files"] if one["path"] == "artifacts/said.wav")
    entry["sha256"] = hashlib.sha256(b"other").hexdigest()


def shorter(manifest, members):
    next(one for one in manifest["files"] if one["path"] == "artifacts/adapter/weights.bin")["bytes"] = 10


def missing(manifest, members):
    del members["artifacts/said.wav"]


def twice(manifest, members):
    manifest["files"].append({**manifest["files"][0], "path": manifest["files"][0]["path"].upper()})


def set_to(name, value):
    return lambda manifest, members: manifest.update({name: value})


BAD_NAMES = ("../evil", "a/../../evil", "/evil", "C:/evil", "a\\evil", "nul.txt", "a/./b", "a/b ", "x" * 500, "d/" * 40)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        *[(renamed(name), "is no name for a file of a run") for name in BAD_NAMES],
        (linked, "is a link, a device or encrypted"),
        (bomb, "would unpack"),
        (flipped, "is not the file that was exported"),
        (forged, "is not what the run made, as outputs.json has it"),
        (shorter, "is not the file that was exported"),
        (missing, "is missing"),
        (twice, "tells a file twice"),
        (set_to("stage", "../train"), "is no stage"),
        (set_to("stage", "review"), "is no stage"),
        (set_to("id", "../../x"), "is no run's id"),
        (set_to("id", "20990101T000000Z-abcdef"), "is that of another run"),
        (set_to("version", 2), "is of format 2, 1 is known here"),
        (set_to("files", [{"path": "x"}]), "does not tell path, sha256 and bytes"),
        (set_to("format", "other"), "is not what an export writes"),
    ],
)
def test_what_could_do_harm_or_is_damaged_changes_nothing(run, tmp_path, change, told):
    out, elsewhere = exported(run, tmp_path / "out.zip"), tmp_path / "elsewhere" / "runs"
    elsewhere.mkdir(parents=True)
    rewritten(out, change)
    with pytest.raises(ProsodyError, match=told):
        unpack.take_in(out, elsewhere)
    assert list((tmp_path / "elsewhere").rglob("*")) == [elsewhere]


def test_a_folder_with_a_link_in_place_of_a_file_is_refused(run, tmp_path):
    out = exported(run, tmp_path / "out")
    (out / "log.txt").unlink()
    (out / "log.txt").symlink_to("/etc/hostname")
    with pytest.raises(ProsodyError, match="is a link or a device"):
        unpack.take_in(out, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").rglob("status.json"))


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (lambda path: None, "not found"),
        (lambda path: path.write_bytes(b"no zip"), "is neither a zip nor a folder"),
        (lambda path: path.mkdir(), "holds no export.json"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "holds no export.json"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path, write, told):
    write(tmp_path / "given.zip")
    with pytest.raises(ProsodyError, match=told):
        unpack.take_in(tmp_path / "given.zip", tmp_path / "runs")


def test_a_zip_that_was_cut_short_changes_nothing(run, tmp_path):
    out = exported(run, tmp_path / "out.zip")
    data = bytearray(out.read_bytes())
    data[200:260] = bytes(60)
    out.write_bytes(data)
    with pytest.raises(ProsodyError):
        unpack.take_in(out, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").rglob("status.json"))


def test_inputs_go_along_under_names_that_an_import_takes_and_are_found_though_a_user_is_called_so(
    run, tmp_path, monkeypatch
):
    """The login name is part of the recording's; others hold what only some systems allow, or lie in a drive's root."""
    monkeypatch.setattr(scrub, "user", lambda: "testperson_7")
    names = ("testperson_7.wav", "talk 10:30?.txt", "nul.txt", "talk 10_30_.txt")
    (tmp_path / "data").mkdir()
    for name in names:
        (tmp_path / "data" / name).write_text(name)
    inputs = [entry for name in names for entry in record.described(tmp_path / "data" / name, run)]
    write_json(run / "inputs.json", inputs, overwrite=True)
    found = parcel.gather(run, with_inputs=True)
    assert found.left_out == []
    parcel.write(found, tmp_path / "out.zip")
    folder, _ = unpack.take_in(tmp_path / "out.zip", tmp_path / "elsewhere")
    texts = {path.read_text() for path in (folder / "inputs").rglob("*") if path.is_file()}
    assert texts == set(names)


def test_what_an_import_would_refuse_is_left_out_and_told(run, tmp_path):
    for name in ("what?.txt", "aux"):
        (run / "artifacts" / name).write_text(name)
    found = parcel.gather(run)
    assert [one["path"] for one in found.left_out] == ["artifacts/aux", "artifacts/what?.txt"]
    parcel.write(found, tmp_path / "out.zip")
    assert unpack.take_in(tmp_path / "out.zip", tmp_path / "elsewhere")[1]


@pytest.mark.parametrize("how", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_packed_as_no_export_is_refused(run, tmp_path, how):
    out = exported(run, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out.zip", "w", how) as target:
        for name, data in files_of(out).items():
            target.writestr(name, data)
    with pytest.raises(ProsodyError, match="is packed as no export is"):
        unpack.take_in(tmp_path / "out.zip", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
