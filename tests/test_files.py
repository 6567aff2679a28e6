import hashlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosody import files
from prosody.errors import ProsodyError

posix_permissions = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="folder permissions do not bind this user"
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_reads_back(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    files.write_text(path, "über\r\nline\n")
    assert path.read_bytes() == "über\r\nline\n".encode()
    assert files.read_text(path) == "über\r\nline\n"
    assert names(path.parent) == ["a.txt"]


def test_never_overwrites_unasked(tmp_path):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"1")
    with pytest.raises(ProsodyError, match="already exists"):
        files.write_bytes(path, b"2")
    assert path.read_bytes() == b"1"
    files.write_bytes(path, b"2", overwrite=True)
    assert path.read_bytes() == b"2"
    assert names(tmp_path) == ["a.bin"]


def test_refuses_a_folder_even_when_overwriting(tmp_path):
    with pytest.raises(ProsodyError, match="is a folder"):
        files.write_bytes(tmp_path, b"", overwrite=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_of_many_who_write_one_new_file_at_once_one_wins_and_the_others_are_told(tmp_path):
    together = threading.Barrier(8)

    def tries(k):
        try:
            with files.new_path(tmp_path / "a.txt") as temporary:
                temporary.write_text(str(k) * 1000)
                together.wait()
        except ProsodyError as error:
            return str(error)
        return k

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(tries, range(8)))
        (won,) = [end for end in ends if isinstance(end, int)]
        assert (tmp_path / "a.txt").read_text() == str(won) * 1000
        assert all("a.txt: already exists" in end for end in ends if end != won)
        assert names(tmp_path) == ["a.txt"]
        (tmp_path / "a.txt").unlink()


def test_a_folder_that_appears_while_another_is_filled_stays(tmp_path):
    with pytest.raises(ProsodyError, match="one: already exists"), files.new_folder(tmp_path / "one") as second:
        (second / "b.txt").write_text("second")
        with files.new_folder(tmp_path / "one") as first:
            (first / "a.txt").write_text("first")
    assert names(tmp_path) == ["one"]
    assert names(tmp_path / "one") == ["a.txt"]


def test_without_hard_links_a_file_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse, raising=False)
    files.write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]
    with pytest.raises(ProsodyError, match="already exists"):
        files.write_text(tmp_path / "a.txt", "y")


def test_a_file_that_somebody_reads_on_windows_is_replaced_a_moment_later(tmp_path, monkeypatch):
    replace, refused = os.replace, []

    def held(old, new):
        if len(refused) < 3:
            error = PermissionError(13, "Access is denied")
            error.winerror = 5
            refused.append(error)
            raise error
        replace(old, new)

    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setattr(os, "replace", held)
    files.write_text(tmp_path / "a.txt", "y", overwrite=True)
    assert (len(refused), files.read_text(tmp_path / "a.txt")) == (3, "y")


def test_never_replaces_what_is_no_ordinary_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "pipe.wav")
    for name in ("pipe.wav", "link.wav"):
        with pytest.raises(ProsodyError, match="is a device or a pipe, not a file"):
            files.write_bytes(tmp_path / name, b"1", overwrite=True)
    assert (tmp_path / "pipe.wav").is_fifo()


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1")
    with pytest.raises(ProsodyError, match=r"b\.wav: a part of the path is not a folder"):
        files.write_bytes(tmp_path / "a.txt" / "b.wav", b"1")


def test_what_would_be_refused_can_be_told_beforehand(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1")
    with pytest.raises(ProsodyError, match="already exists"):
        files.check_new(tmp_path / "a.txt")
    with pytest.raises(ProsodyError, match="is not a folder"):
        files.check_new(tmp_path / "a.txt" / "deep" / "b.wav")
    files.check_new(tmp_path / "a.txt", overwrite=True)
    files.check_new(tmp_path / "deep" / "er" / "b.wav")
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_block_leaves_everything_as_it_was(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), files.new_path(path, overwrite=True) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a.wav"]


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path):
    with files.new_path(tmp_path / "a.wav") as temporary:
        assert (temporary.suffix, temporary.parent) == (".wav", tmp_path)
        temporary.write_bytes(b"x")
        assert not (tmp_path / "a.wav").exists()
    assert names(tmp_path) == ["a.wav"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(ProsodyError, match="already exists"), files.new_path(path) as temporary:
        temporary.write_bytes(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a.txt"]


def test_a_block_that_writes_nothing_is_told(tmp_path):
    with pytest.raises(ProsodyError, match="not found"), files.new_path(tmp_path / "a.txt"):
        pass


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ProsodyError, match=r"a.b\.txt: "):
        files.write_text(tmp_path / "a" / "b.txt", "x")


@posix_permissions
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ProsodyError, match="may not be read or written"):
            files.write_text(tmp_path / "a.txt", "x")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="names are limited in another way")
def test_a_name_too_long_for_the_system(tmp_path):
    with pytest.raises(ProsodyError, match="too long"):
        files.write_text(tmp_path / ("a" * 300), "x")


def test_sha256(tmp_path):
    data = bytes(range(256)) * 5000
    files.write_bytes(tmp_path / "a", data)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("read", [files.read_bytes, files.read_text, files.read_json, files.sha256])
def test_reading_what_is_not_there(read, tmp_path):
    with pytest.raises(ProsodyError, match=r"nowhere.txt: not found — check the name$"):
        read(tmp_path / "nowhere.txt")
    with pytest.raises(ProsodyError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ProsodyError, match="null"):
        read("a\0b")


def test_text_that_is_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\ntwo \xe9\n")
    with pytest.raises(ProsodyError, match=r"line 2: is not UTF-8 \(byte 0xe9\) — save it as UTF-8"):
        files.read_text(path)
    path.write_bytes("one".encode("utf-16"))
    with pytest.raises(ProsodyError, match="UTF-16"):
        files.read_text(path)


def test_a_byte_order_mark_is_not_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone")
    assert files.read_text(path) == "one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b" 2}', r"line 2, column 6: is not JSON"),
        ("", r"line 1, column 1: is not JSON"),
        ('{"a": NaN}', r"it holds NaN"),
        ("[-Infinity]", r"it holds -Infinity"),
        ("[-1e999]", r"-1e999 is too large a number"),
        ("[" * 100_000, r"nested too deeply"),
        ("1" * 5000, r"is not JSON"),
    ],
)
def test_bad_json(text, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ProsodyError, match=message):
        files.read_json(path)


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert names(tmp_path) == []


texts = st.text(st.characters(codec=None), max_size=20)  # lone surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(values)
def test_json_round_trip(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    files.write_json(path, data, overwrite=True)
    assert files.read_json(path) == data


def test_importing_the_foundations_is_light():
    import subprocess

    code = "import sys, prosody.errors, prosody.files, prosody.markers, prosody.dataset; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "jsonschema", "soundfile", "plotly"} & {name.split(".")[0] for name in loaded}


def test_a_file_in_place_of_a_folder_stays(tmp_path):
    (tmp_path / "a").write_text("mine")
    told = "a: is no folder — move it away, or give another name"
    with pytest.raises(ProsodyError, match=told):
        files.check_new_folder(tmp_path / "a", overwrite=True)
    with pytest.raises(ProsodyError, match=told), files.new_folder(tmp_path / "a", overwrite=True):
        pass
    assert (tmp_path / "a").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_whether_a_folder_can_be_made_is_told_beforehand(tmp_path):
    files.check_new_folder(tmp_path / "deep" / "er")
    (tmp_path / "a").mkdir()
    files.check_new_folder(tmp_path / "a", overwrite=True)
    with pytest.raises(ProsodyError, match="a: already exists"):
        files.check_new_folder(tmp_path / "a")
    (tmp_path / "b").write_text("")
    with pytest.raises(ProsodyError, match="not a folder"):
        files.check_new_folder(tmp_path / "b" / "c")


def test_a_folder_whose_replacing_was_killed_comes_back(tmp_path):
    (tmp_path / ".old-a").mkdir()
    (tmp_path / ".old-a" / "x").write_text("1")
    files.check_new_folder(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a" / "x").read_text() == "1"
    with files.new_folder(tmp_path / "a", overwrite=True) as work:
        (work / "x").write_text("2")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with files.new_folder(tmp_path / "link", overwrite=True) as work:
        (work / "x").write_text("2")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "x").read_text() == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]


def test_files_that_belong_together_appear_together(tmp_path):
    one, two = tmp_path / "deep" / "a.wav", tmp_path / "b.json"
    with files.new_paths((one, two)) as (first, second):
        assert (first.suffix, second.suffix) == (".wav", ".json")
        first.write_text("1")
        second.write_text("2")
        assert not one.exists()
    assert (one.read_text(), two.read_text()) == ("1", "2")
    with pytest.raises(ProsodyError, match=r"b\.json: already exists"), files.new_paths((tmp_path / "c", two)):
        raise AssertionError("it was let in")
    with files.new_paths((one, two), overwrite=True) as new:
        for path in new:
            path.write_text("new")
    assert (one.read_text(), two.read_text()) == ("new", "new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.wav", "b.json", "deep"]


@pytest.mark.parametrize("there", [(), ("a",), ("b",), ("a", "b")])
@pytest.mark.parametrize("failing", range(4))
def test_if_one_of_two_files_fails_what_was_there_stays(tmp_path, monkeypatch, there, failing):
    for name in there:
        (tmp_path / name).write_text("mine")
    steps = iter(range(10))
    rename = os.replace

    def replace(old, new):
        if next(steps) == failing:
            raise PermissionError(13, "Permission denied")
        rename(old, new)

    with suppress(ProsodyError), files.new_paths((tmp_path / "a", tmp_path / "b"), overwrite=True) as new:
        for path in new:
            path.write_text("new")
        monkeypatch.setattr(os, "replace", replace)
    failed = failing < 2 + len(there)  # as many renames as there are to do
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == (dict.fromkeys(there, "mine") if failed else {"a": "new", "b": "new"})


def test_a_failure_while_they_are_written_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), files.new_paths((tmp_path / "a", tmp_path / "b")) as (first, _):
        first.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
