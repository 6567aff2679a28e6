"""What a notebook holds while it runs: the folder of its run, and where its input comes from.

    run = workflow.stage("prepare", globals())
    source = run.upstream("segment", segment_run)
    ...
    run.finish({"examples": 50})

Under the runner this is the run that the runner made. In JupyterLab it is a run of its own, with the same record, and
stages whose results are missing are run first.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError

RUN_DIR = "PROSODY_RUN_DIR"
_open_in_lab: dict[str, Path] = {}


class Stage:
    """A stage at work. folder: of its run. artifacts, tb: folders in it for results and for TensorBoard events."""

    def __init__(self, name: str, folder: Path, *, headless: bool) -> None:
        self.name, self.folder, self.headless = name, folder, headless
        self.artifacts, self.tb = folder / "artifacts", folder / "tb"
        self._outputs: list[Path] = []

    @property
    def id(self) -> str:
        """The run's id."""
        return self.folder.name

    def log(self, line: str, *, show: bool = True) -> None:
        """A line for log.txt. show: in JupyterLab, print it too (under the runner everything printed is logged)."""
        if not self.headless:
            from prosody.workflow import scrub

            with open(self.folder / "log.txt", "a", encoding="utf-8") as file:
                file.write(scrub.text(line.rstrip("\n")) + "\n")
        if show or self.headless:
            print(line, flush=True)

    def upstream(self, stage: str, given: str = "latest") -> Path:
        """The artifacts folder of the run this one builds on.

        The run's id goes into upstream.json, all of its artifacts with their hashes into inputs.json.

        given: "latest" for the latest ok run of `stage`, or a run's id (its start is enough).
        Raises ProsodyError if there is no such run. In JupyterLab, where "latest" finds none, it is made first.
        """
        from prosody.files import read_json, write_json
        from prosody.workflow import record

        found = record.find(record.runs_folder(), stage, given)
        if found is None:
            if self.headless:
                raise ProsodyError(None, None, f"no ok run of {stage}", f"run `make {stage}` first")
            found = _make(stage)
        path = self.folder / "upstream.json"
        write_json(path, {**read_json(path), stage: found.id}, overwrite=True)
        self.log(f"{self.name}: from {stage} run {found.id}")
        return self.input(found.artifacts)

    def made_from(self, stage: str, runs: Iterable[Any]) -> None:
        """Runs of one stage that this one looks at, however they ended; the figures of each are an input.

        runs: as `record.read` gives them. upstream.json gets the list of their ids.
        """
        from prosody.files import read_json, write_json
        from prosody.workflow import record

        runs = list(runs)
        upstream, known = self.folder / "upstream.json", self.folder / "inputs.json"
        write_json(upstream, {**read_json(upstream), stage: [run.id for run in runs]}, overwrite=True)
        paths = [run.folder / "metrics.json" for run in runs]
        read = [entry for path in paths if path.is_file() for entry in record.described(path, self.folder)]
        write_json(known, [*read_json(known), *read], overwrite=True)
        self.log(f"{self.name}: from {len(runs)} runs of {stage}")

    def input(self, path: str | os.PathLike[str]) -> Path:
        """A file or folder that this stage reads, with its hash in inputs.json.

        A relative path is looked for in the current folder, then in the clone. Raises ProsodyError if it is missing, or
        if the name is empty.
        """
        from prosody.files import read_json, write_json
        from prosody.workflow import record

        if not os.fspath(path):
            raise ProsodyError(None, None, f"{self.name}: a file's name is empty", "name all that belong together")
        given = Path(path).expanduser()
        found = next((p for p in (given, record.root() / given) if p.exists()), None)
        if found is None:
            raise ProsodyError(given, None, "not found", "check the name; a relative one starts at the clone's folder")
        known = read_json(self.folder / "inputs.json")
        known += [entry for entry in record.described(found, self.folder) if entry not in known]
        write_json(self.folder / "inputs.json", known, overwrite=True)
        return found

    def checkpoints(self, given: str = "auto") -> list[Path] | None:
        """Checkpoints of runs of this stage that this one may go on from, the latest first; None: start anew.

        given: "auto" for those that were cut short since the last one that went well, "never", or a run's id.
        Raises ProsodyError if there is no such run, or it is at work.
        """
        from prosody.lm.state import FOLDER
        from prosody.workflow import record

        if given == "never":
            return None
        others = [run for run in record.runs(record.runs_folder(), self.name) if run.folder != self.folder]
        if given != "auto":
            found = [run for run in others if run.id.startswith(given)]
            if len(found) != 1:
                what = f"{len(found) or 'no'} runs of {self.name} begin with {given!r}"
                raise ProsodyError(None, "resume", what, "give auto, never, or a run's id")
            if found[0].state == "running":  # it would take its checkpoints away under our hands
                what = f"run {found[0].id} of {self.name} is at work"
                raise ProsodyError(None, "resume", what, "wait until it has ended, or stop it")
            return [found[0].artifacts / FOLDER]
        return [run.artifacts / FOLDER for run in cut_short(others)]

    def output(self, path: str | os.PathLike[str]) -> Path:
        """A file that this stage writes, for outputs.json. A relative path lies in the artifacts, which all go in.

        One outside the run's folder is this run's until it ends. Raises ProsodyError if another run that is at work
        writes there, or its folder can't be made or written to.
        """
        from prosody.files import telling
        from prosody.workflow import claims

        target = self.artifacts / path
        with telling(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        if not self._has(target):
            claims.take(target, self.folder)
        self._outputs.append(target)
        return target

    def _has(self, path: Path) -> bool:
        """Whether a file lies in this run's folder, whatever links lead there."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.folder))

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The stage is done: write its metrics and the hashes of all it made. In JupyterLab the run is now ok."""
        from prosody.files import write_json
        from prosody.workflow import claims, open_notebook, record, scrub

        written = record.described(self.artifacts, self.folder)
        outside = [path for path in dict.fromkeys(self._outputs) if not self._has(path) and path.exists()]
        written += [entry for path in outside for entry in record.described(path, self.folder)]
        write_json(self.folder / "outputs.json", written, overwrite=True)
        write_json(self.folder / "metrics.json", scrub.parameters(record.plain(metrics)), overwrite=True)
        claims.release(self.folder)
        if not self.headless:
            record.end(self.folder, "ok", code=0)
            open_notebook.follow(self.folder)
            _open_in_lab.pop(self.name, None)
        self.log(f"{self.name}: ok, run {self.id}")


def cut_short(runs: Sequence[Any]) -> list[Any]:
    """Runs of one stage that were cut short since the last one that went well, the latest first.

    runs: of that stage, the oldest first.
    """
    since = itertools.takewhile(lambda run: run.state != "ok", reversed(runs))
    return [run for run in since if run.state in ("killed", "interrupted", "failed")]


def stage(name: str, parameters: Mapping[str, Any] | None = None) -> Stage:
    """Begin a stage, in a notebook.

    name: "segment", "prepare", "train", "generate" or "sweep". parameters: the notebook's variables, `globals()`; those
    that are its parameters go into the record (headless they are there already).
    """
    if given := os.environ.get(RUN_DIR):
        return Stage(name, Path(given), headless=True)
    from prosody.workflow import claims, open_notebook, record, scrub
    from prosody.workflow.notebooks import notebook_of
    from prosody.workflow.parameters import of_notebook

    known = [parameter.name for parameter in of_notebook(notebook_of(name))]
    recorded = {key: parameters[key] for key in known if key in (parameters or {})}
    if before := _open_in_lab.get(name):  # Run All once more, before the last one had finished
        claims.release(before)
        with suppress(ProsodyError):
            record.end(before, "interrupted", code=130)
    open_notebook.leave(name)
    folder = record.start(name, scrub.parameters(recorded), runs=record.runs_folder(), how="lab")
    _open_in_lab[name] = folder
    print(f"{name}: recorded in {record.shown(folder)}", flush=True)
    return Stage(name, folder, headless=False)


def _make(wanted: str) -> Any:
    """Run, headless with their defaults, the stages up to `wanted` that have no ok run yet; return the last one's run.

    Raises ProsodyError if one of them fails.
    """
    from prosody.workflow import record

    chain = [wanted]
    while (before := record.UPSTREAM.get(chain[0])) and record.find(record.runs_folder(), before) is None:
        chain.insert(0, before)
    path = os.pathsep.join([str(record.root()), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PROSODY_SETUP": "off", "PYTHONPATH": path}
    for name in chain:
        print(f"There is no ok run of {name} yet: running it with its defaults.", flush=True)
        command = [sys.executable, "-m", "prosody", name]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            for line in process.stderr:
                print(line, end="", flush=True)
        if process.returncode:
            raise ProsodyError(None, None, f"{name} did not end well", "see above, or `python -m prosody runs`")
    return record.find(record.runs_folder(), wanted)
