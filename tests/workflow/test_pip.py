import sys
import time
from pathlib import Path

import pytest

from prosody.workflow import pip

LOCK = """\
# made by a tool
numpy==2.4.6 \\
    --hash=sha256:aa
pywinpty==3.1.2 ; os_name == 'nt' \\
    --hash=sha256:bb
Two_Names==1.0 ; python_full_version == '{here}.*' \\
    --hash=sha256:cc
two-names==2.0 ; python_full_version != '{here}.*' \\
    --hash=sha256:dd
new==1.0 ; python_full_version >= '3.99'
old==1.0 ; python_full_version < '3.99'
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "some.lock"
    path.write_text(LOCK.format(here=f"{sys.version_info.major}.{sys.version_info.minor}"))
    return path


def test_locked_knows_what_this_python_gets(lock):
    assert pip.locked(lock) == {
        "numpy": ("2.4.6", False),
        "pywinpty": ("3.1.2", True),
        "two-names": ("1.0", False),
        "old": ("1.0", False),
    }


def test_constraints_are_the_lock_without_hashes(lock, tmp_path):
    with pip.constrained_to(lock) as path:
        lines = Path(path).read_text().splitlines()
    assert lines[:2] == ["numpy==2.4.6", "pywinpty==3.1.2 ; os_name == 'nt'"]
    assert not any("hash" in line for line in lines)


def a_package(site, name, files, *, record=True):
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\n")
    for file in files:
        (site / file).write_text("x")
    if record:
        rows = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
        (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
    return info


def test_packages_cut_off_in_the_middle_are_forgotten(tmp_path):
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    whole, no_record, torn = (
        a_package(site, "whole", ["whole.py"]),
        a_package(site, "unfinished", ["unfinished.py"], record=False),
        a_package(site, "torn", ["torn.py"]),
    )
    (site / "torn.py").unlink()
    pip.drop_half_installed(tmp_path)
    assert (whole.exists(), no_record.exists(), torn.exists()) == (True, False, False)


def test_what_pip_says_is_counted_and_kept(tmp_path, capsys, monkeypatch):
    wheel = tmp_path / "x-1.0-py3-none-any.whl"
    wheel.write_bytes(b"0" * 500)
    said = (
        f"Collecting a==1\n  Downloading a-1.whl (1.5 MB)\nCollecting b\n  Using cached b-2.whl (20 kB)\n"
        f"Processing {wheel}\nInstalling collected packages: a, b\n"
    )
    fake = tmp_path / "python"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint({said!r}, end='')\n")
    fake.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("a script is no program on Windows")
    runner = pip.Pip(fake, log=tmp_path / "log.txt", started=time.monotonic())
    runner.install("packages", [], expected=3)
    assert (runner.downloaded, runner.cached) == (1_500_000, 20_500)
    assert (tmp_path / "log.txt").read_text() == said
    assert "packages: done" in capsys.readouterr().err


def test_pips_error_is_told(tmp_path):
    runner = pip.Pip(sys.executable, log=tmp_path / "log.txt", started=time.monotonic())
    with pytest.raises(pip.PipFailed, match="installing x failed: ERROR") as caught:
        runner.install("x", ["--no-index", "no-such-package-anywhere"])
    assert caught.value.log.read_text()


def test_disk_bytes_counts_a_linked_file_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert 10_000 <= pip.disk_bytes(tmp_path) < 20_000
