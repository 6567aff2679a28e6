"""The command `corpus` on a Dask cluster: which addresses it takes, who can reach it, and the same bytes."""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from prosody import cli, markers
from prosody.commands import cluster
from prosody.errors import ProsodyError
from prosody.voice.speak import speak

ROOT = Path(__file__).resolve().parents[2]
P = ROOT / "pyproject.toml"  # no certificate


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "talks"
    for name, text in (("a/one", "Well <pause_short> here we <emph>are."), ("a/two", "Again."), ("b/three", "Nobody.")):
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        speak(markers.parse(f"It is a long way home. {text}"), out=path)
        path.with_suffix(".txt").write_text(f"It is a long way home. {text}")
    (folder / "b" / "four.wav").write_bytes(b"no sound")
    (folder / "b" / "four.txt").write_text("It is.")
    return folder


def options(*words):
    parser = ArgumentParser()
    cluster.add_options(parser)
    return parser.parse_args(words)


def heard(talks, out, *more):
    """What a run writes, what it says, and its exit code."""
    command = [sys.executable, "-m", "prosody", "corpus", str(talks), "-o", str(out), "--datasets", "--json", *more]
    environment = os.environ | {"PROSODY_SETUP": "off"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)
    return json.loads(done.stdout), done.stderr, done.returncode


@contextmanager
def a_worker(address, folder):
    """A worker of a scheduler, in a process of its own, with the package that lies in `folder`."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    with open(folder / "worker.log", "w") as log:
        process = subprocess.Popen([*command, "--no-nanny"], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait(30)


def hear_at(address, talks, out):
    """The command `corpus` on a cluster that is there, when it has ended."""
    command = [sys.executable, "-m", "prosody", "corpus", str(talks), "-o", str(out), "--scheduler", address]
    environment = os.environ | {"PROSODY_SETUP": "off"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)


def same(one, other):
    """Whether two folders hold the same bytes."""
    names = {path.relative_to(one).as_posix() for path in one.rglob("*") if path.is_file()}
    assert names == {path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file()}
    assert len(names) > 8
    return filecmp.cmpfiles(one, other, names, shallow=False)[1:] == ([], [])


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:1", "tls://far.example:8786"]
)
def test_an_address_that_is_safe(address):
    cluster.check_address(address, insecure=False)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://far.example:8786", "tcp://0.0.0.0:8786"])
def test_an_address_that_is_not(address):
    with pytest.raises(ProsodyError, match=r"--scheduler: tcp://.* is not encrypted, .* — .* or say --insecure"):
        cluster.check_address(address, insecure=False)
    cluster.check_address(address, insecure=True)


@pytest.mark.parametrize(
    "address", ["", "10.0.0.1:8786", "http://a:1", "inproc://1", "tcp://a", "tcp://:8786", "tcp://a:b", "ws://a:1"]
)
def test_what_is_no_address(address):
    with pytest.raises(ProsodyError, match="is no address of a scheduler"):
        cluster.check_address(address, insecure=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--workers", "0"], "--workers: is 0"),
        (["--local-cluster", "0"], "--local-cluster: is 0"),
        (["--workers", "2", "--local-cluster", "2"], "--workers and --local-cluster: say twice who does the work"),
        (["--local-cluster", "2", "--scheduler", "a"], "--local-cluster and --scheduler: say twice"),
    ],
)
def test_options_that_say_nothing_useful(words, told):
    with pytest.raises(ProsodyError, match=told), cluster.workers(options(*words)):
        pass


def test_without_the_package_it_says_so(monkeypatch, talks, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setenv("PROSODY_SETUP", "off")
    assert cli.main(["corpus", str(talks), "-o", str(tmp_path / "out"), "--local-cluster", "2"]) == 2
    err = capsys.readouterr().err
    assert "--local-cluster: needs the package distributed" in err
    assert len(err.splitlines()) == 1


class TestAtWork:
    """With the package."""

    @pytest.fixture(autouse=True)
    def there(self):
        pytest.importorskip("distributed", reason="the extra cluster is not installed")

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--scheduler", "tcp://127.0.0.1:9"], "--scheduler: tcp://127.0.0.1:9 can't be reached"),
            (["--scheduler", "tls://127.0.0.1:9"], "tls://127.0.0.1:9 needs certificates"),
            (["--scheduler", "tls://127.0.0.1:9", "--tls-ca", "nowhere.pem"], "nowhere.pem: --tls-ca: not found"),
            (["--local-cluster", "1", *f"--tls-ca {P} --tls-cert {P} --tls-key {P}".split()], "can't be started"),
        ],
    )
    def test_a_cluster_that_cannot_be_had_is_one_line(self, words, told, monkeypatch):
        monkeypatch.setattr(cluster, "_CONNECT_S", 2.0)
        with pytest.raises(ProsodyError, match=told) as caught, cluster.workers(options(*words)):
            pass
        assert "\n" not in str(caught.value)

    def test_a_cluster_of_our_own_hears_the_same_and_no_more_is_said(self, talks, tmp_path):
        expected, _, code = heard(talks, tmp_path / "processes", "--workers", "2")
        found, err, found_code = heard(talks, tmp_path / "cluster", "--local-cluster", "2")
        assert found_code == code == 2  # one recording holds no sound
        assert found == expected
        assert same(tmp_path / "processes", tmp_path / "cluster")
        told = [line for line in err.splitlines() if not line.startswith("[")]
        assert [line.partition(": ")[0] for line in told] == ["prosody"] * 2  # that recording, and how many failed
        assert "distributed" not in err and "Traceback" not in err

    def test_only_this_machine_can_reach_it(self):
        with cluster.workers(options("--local-cluster", "2")) as pool:
            assert pool.submit(abs, -1).result(timeout=60) == 1
            me = psutil.Process()
            inner = [one for member in (me, *me.children(recursive=True)) for one in member.net_connections("inet")]
            listening = {one.laddr.ip for one in inner if one.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="no program openssl to make certificates with")
    def test_certificates_keep_others_out(self, tmp_path):
        from distributed import Client

        files = certificates(tmp_path)
        words = [word for name, path in files.items() for word in (f"--tls-{name}", str(path))]
        with cluster.workers(options("--local-cluster", "1", *words)) as pool:
            address = pool.client.scheduler.address
            assert address.startswith("tls://127.0.0.1:")
            assert pool.submit(abs, -1).result(timeout=60) == 1
            with cluster.workers(options("--scheduler", address, *words)) as other:
                assert other.submit(abs, -2).result(timeout=60) == 2
            stranger = certificates(tmp_path / "stranger")
            words = [word for name, path in stranger.items() for word in (f"--tls-{name}", str(path))]
            with (
                pytest.raises(ProsodyError, match="can't be reached"),
                cluster.workers(options("--scheduler", address, *words)),
            ):
                pass
            with pytest.raises(OSError):
                Client(address.replace("tls", "tcp"), timeout=2, set_as_default=False)

    def test_a_worker_with_a_package_of_other_bytes_is_one_line(self, talks, tmp_path):
        import distributed

        shutil.copytree(ROOT / "prosody", tmp_path / "prosody", ignore=shutil.ignore_patterns("__pycache__"))
        with open(tmp_path / "prosody" / "report" / "report.css", "a") as file:  # no code at all, and the hash tells
            file.write("\n")
        with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as made:
            address = made.scheduler_address
            with a_worker(address, tmp_path):
                done = hear_at(address, talks, tmp_path / "out")
        assert done.returncode == 2 and done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert re.fullmatch(
            r"prosody: worker tcp://127\.0\.0\.1:\d+: has another package: sha256 ([0-9a-f]{16}), not sha256 "
            r"(?!\1)[0-9a-f]{16} — install the same on every machine, and restart the worker",
            line,
        )


def certificates(folder):
    """A new authority that has signed its own certificate, as a small cluster has it."""
    folder.mkdir(exist_ok=True)
    made = {"ca": folder / "cert.pem", "cert": folder / "cert.pem", "key": folder / "key.pem"}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=prosody"]
    command += ["-keyout", str(made["key"]), "-out", str(made["cert"])]
    subprocess.run(command, check=True, capture_output=True)
    return made
