"""recordings.find: which files belong together, and what is told of those that don't."""

import os
import unicodedata

import pytest

from prosody.errors import ProsodyError
from prosody.speech.corpus.recordings import find


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def found(folder, **options):
    pairs, failures = find(folder, **options)
    return {one.name: (one.speaker, one.audio.name, one.transcript.name) for one in pairs}, failures


def test_speakers_are_the_first_folders(tmp_path):
    talks = tree(tmp_path / "talks", "a.wav", "a.txt", "anna/b.FLAC", "anna/b.lab", "anna/1/c.mp3", "anna/1/c.TextGrid")
    pairs, failures = found(talks)
    assert failures == []
    assert pairs == {
        "a": ("talks", "a.wav", "a.txt"),
        "anna/b": ("anna", "b.FLAC", "b.lab"),
        "anna/1/c": ("anna", "c.mp3", "c.TextGrid"),
    }


def test_names_with_spaces_accents_and_dots(tmp_path):
    apart = unicodedata.normalize("NFD", "Zoë")
    talks = tree(tmp_path, "Zoë B/first talk v1.2.wav", "Zoë B/first talk v1.2.txt", f"d/{apart}.wav", "d/Zoë.txt")
    pairs, failures = found(talks)
    assert failures == []
    assert pairs["Zoë B/first talk v1.2"][0] == "Zoë B"
    assert pairs["d/Zoë"][1:] == (f"{apart}.wav", "Zoë.txt")


@pytest.mark.parametrize(
    ("names", "path", "told"),
    [
        (["s/a.wav"], "a.wav", "no transcript"),
        (["s/a.txt"], "a.txt", "no recording"),
        (["s/a.TextGrid"], "a.TextGrid", "no recording"),
        (["s/a.wav", "s/a.mp3", "s/a.txt"], "a.mp3", "a.wav: two recordings"),
        (["s/a.wav", "s/a.WAV", "s/a.txt"], "a.WAV", "a.wav: two recordings"),
        (["s/a.wav", "s/a.lab", "s/a.txt"], "a.wav", "a.txt: two transcripts"),
        (["s/a.wav", "t/a.txt"], "a.wav", "no transcript"),
    ],
)
def test_what_is_no_pair_is_told(tmp_path, names, path, told):
    pairs, failures = found(tree(tmp_path, *names))
    assert pairs == {}
    first = failures[0]
    assert first.path.endswith(path) and told in str(first) and first.remedy
    assert "\n" not in str(first)


def test_a_textgrid_beside_a_text_is_left_alone(tmp_path):
    pairs, failures = found(tree(tmp_path, "s/a.wav", "s/a.lab", "s/a.TextGrid"))
    assert failures == []
    assert pairs["s/a"][2] == "a.lab"


def test_what_does_not_belong_is_left_out(tmp_path):
    names = ["README.txt", "s/LICENSE.txt", ".git/a.wav", "s/._a.wav", "s/notes.pdf", "out/segments/a.wav"]
    assert found(tree(tmp_path, *names), leave_out=tmp_path / "out") == ({}, [])


def test_links_are_followed_once(tmp_path):
    talks = tree(tmp_path / "talks", "anna/a.wav", "anna/a.txt")
    other = tree(tmp_path / "other", "b.wav", "b.txt")
    try:
        (talks / "anna" / "loop").symlink_to(talks, target_is_directory=True)
        (talks / "again").symlink_to(talks / "anna", target_is_directory=True)
        (talks / "ben").symlink_to(other, target_is_directory=True)
        (talks / "self.wav").symlink_to(talks / "self.wav")
        (talks / "self.txt").symlink_to(talks / "gone.txt")
    except OSError:
        pytest.skip("no links here")
    pairs, failures = found(talks)
    assert set(pairs) == {"anna/a", "ben/b", "self"}  # the last is told of when it is read
    assert failures == []


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    talks = tree(tmp_path, "a/x.wav", "a/x.txt", "b/y.wav", "b/y.txt")
    scandir = os.scandir

    def refusing(path):
        if os.path.basename(path) == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    pairs, failures = found(talks)
    assert set(pairs) == {"b/y"}
    assert "cannot be read" in str(failures[0])


@pytest.mark.parametrize("name", ["gone", "file.wav"])
def test_no_folder(tmp_path, name):
    (tmp_path / "file.wav").touch()
    with pytest.raises(ProsodyError, match=r"not found|not a folder"):
        find(tmp_path / name)
