"""Which run was made from which, and of what files: as the records say, and as the files' hashes bear out.

A record may be damaged, edited by hand, renamed, or gone: what of it can be read is used, the rest is named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from prosody.errors import ProsodyError, one_line
from prosody.files import read_json, sha256
from prosody.workflow import record
from prosody.workflow.reviews import FOLDER as REVIEW

RUN, GONE, FILE = "run", "gone", "file"  # kinds of nodes, beside "review"
UPSTREAM, READS, AGAIN, SAME_BYTES = "upstream", "reads", "made again", "same bytes"  # how one came of another
_OF_A_RUN = re.compile(r"(?:.*/)?([^/]+)/(\d{8}T\d{6}Z-[0-9a-f]{6})/(.+)")
_OF_A_REVIEW = re.compile(rf"(?:.*/)?{REVIEW}/([0-9a-f]{{16}})(?:/(.+))?")
_WORKING_FILES = "artifacts/checkpoints/"  # the next training takes them away
_FOLDED = 3  # more source files of one folder are told as that folder


@dataclass(frozen=True)
class Node:
    """A run, a review, a source file (or folder of them), or a run that is no longer there.

    key: `train/NAME` for a run. name: the run's id as its record has it, or the path as records write it. folder: where
    it lies, None if it is gone. state: a run's, "unknown" where its status cannot be read; otherwise "".
    trouble: what of its record cannot be read, a line each.
    """

    key: str
    kind: str
    stage: str
    name: str
    folder: Path | None = None
    state: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether a run's folder has another name than its id."""
        return self.kind == RUN and self.folder is not None and self.folder.name != self.name

    @property
    def run(self) -> record.Run:
        """The run, for what is told of one. Only of a node that is a run."""
        status = {**self.data["status"], "status": self.state}
        return record.Run(folder=self.folder or Path(self.key), status=status, metrics=self.data["metrics"])


@dataclass(frozen=True)
class Read:
    """A file as the later run read it. sha256: then. written: its hash as the earlier run wrote it, None if unknown."""

    path: str
    sha256: str
    bytes: int
    where: Path
    written: str | None


@dataclass(frozen=True)
class Link:
    """That `after` was made from `before`, both keys. how: as what the record says so. files: what was read of it."""

    before: str
    after: str
    how: tuple[str, ...]
    files: tuple[Read, ...] = ()

    @property
    def needs(self) -> bool:
        """Whether the later one is of the earlier's data; a run made again only repeats it."""
        return set(self.how) != {AGAIN}


@dataclass(frozen=True)
class Graph:
    """Nodes by key, the runs first and the oldest of them first, and the links between them."""

    nodes: Mapping[str, Node]
    links: Sequence[Link]

    def before(self, key: str) -> list[Link]:
        """What a node was made from."""
        return self._ends[1].get(key, [])

    def after(self, key: str) -> list[Link]:
        """What was made from a node."""
        return self._ends[0].get(key, [])

    @cached_property
    def _ends(self) -> tuple[dict[str, list[Link]], dict[str, list[Link]]]:
        ends: tuple[dict[str, list[Link]], dict[str, list[Link]]] = ({}, {})
        for link in self.links:
            ends[0].setdefault(link.before, []).append(link)
            ends[1].setdefault(link.after, []).append(link)
        return ends


def graph(runs: Path) -> Graph:
    """The lineage of all runs in a folder of runs, as the records have it; no file is hashed."""
    found = [_run(folder) for folder in _in_order(runs)]
    nodes = {node.key: node for node in found}
    made = _Links(nodes, runs)
    for folder in sorted((runs / REVIEW).glob("*")):
        if folder.is_dir() and re.fullmatch("[0-9a-f]{16}", folder.name):
            made.review(folder.name)
    for node in found:
        made.of(node)
    return Graph(nodes, made.links())


def of(folder: Path) -> tuple[Graph, str]:
    """The part of the lineage that a run has a share in, up and down, and the run's key in it.

    folder: of the run. Raises ProsodyError if it is in no folder of runs.
    """
    whole, key = graph(folder.parents[1]), f"{folder.parent.name}/{folder.name}"
    if key not in whole.nodes:
        raise ProsodyError(folder, None, "is not among the runs beside it", "name a run's folder")
    return around(whole, key), key


def around(whole: Graph, key: str) -> Graph:
    """The part of a graph that a node was made from or that was made from it."""
    part = {key} | reach(whole, [key], up=True) | reach(whole, [key], up=False)
    links = [link for link in whole.links if link.before in part and link.after in part]
    return Graph({name: node for name, node in whole.nodes.items() if name in part}, links)


def reach(whole: Graph, keys: Iterable[str], *, up: bool, only_needs: bool = False) -> set[str]:
    """All that these nodes were made from (up), or that was made from them, directly or not; without themselves.

    only_needs: runs made again don't count. A cycle is no trouble.
    """
    given = set(keys)
    waiting, seen = list(given), set(given)
    while waiting:
        at = waiting.pop()
        for link in whole.before(at) if up else whole.after(at):
            other = link.before if up else link.after
            if other not in seen and (link.needs or not only_needs):
                seen.add(other)
                waiting.append(other)
    return seen - given


def cycle(whole: Graph) -> list[str]:
    """Keys of nodes that were each made from the one before, and the first from the last; empty where none is."""
    left = {key: len({link.before for link in whole.before(key)}) for key in whole.nodes}
    free = [key for key, n in left.items() if not n]
    while free:
        for other in {link.after for link in whole.after(free.pop())}:
            left[other] -= 1
            if not left[other]:
                free.append(other)
    rest = {key for key, n in left.items() if n}
    at, path = next(iter(rest), ""), []
    while at and at not in path:  # each of the rest has one of the rest before it
        path.append(at)
        at = next(link.before for link in whole.before(at) if link.before in rest)
    return path[path.index(at) :][::-1] if path else []


def checker() -> Callable[[Link], list[str]]:
    """A function that tells what of a link's files are not the bytes they were, a line each; it hashes each file once.

    Empty if all agree: what was read, what the earlier run wrote, and what lies there. Checkpoints, which the next
    training takes away, may be gone.
    """
    known: dict[Path, str | None] = {}

    def now(path: Path) -> str | None:
        if path not in known:
            known[path] = None
            with suppress(ProsodyError):
                known[path] = sha256(path) if path.is_file() else None
        return known[path]

    def check(link: Link) -> list[str]:
        told = []
        for file in link.files:
            found = now(file.where)
            if file.written is not None and file.written != file.sha256:
                told.append(f"{file.path}: was read as {file.sha256[:12]}, written as {file.written[:12]}")
            elif found is None and _WORKING_FILES not in file.path:
                told.append(f"{file.path}: is gone")
            elif found not in (None, file.sha256):
                told.append(f"{file.path}: was read as {file.sha256[:12]}, is {str(found)[:12]} now")
        return [one_line(line) for line in told]

    return check


def taken_away(link: Link) -> int:
    """How many of a link's files were checkpoints that are no longer there, which is how it should be."""
    return sum(_WORKING_FILES in file.path and not file.where.is_file() for file in link.files)


def _in_order(runs: Path) -> list[Path]:
    """The folders of runs, the oldest first, those that cannot be read at the end."""
    found, wrong = record.look(runs)
    return [run.folder for run in found] + [Path(error.path).parent for error in wrong if error.path]


def _run(folder: Path) -> Node:
    data, trouble = {}, []
    for name, kind in _PARTS.items():
        try:
            data[name] = read_json(folder / f"{name}.json")
            if not isinstance(data[name], kind):
                raise ProsodyError(folder / f"{name}.json", None, "is not what a run writes there", "make a new run")
        except ProsodyError as error:
            data[name] = kind()
            trouble.append(one_line(f"{name}.json: {error.what}"))
    for name in ("inputs", "outputs"):
        whole = [entry for entry in data[name] if _is_entry(entry)]
        if len(whole) != len(data[name]):
            trouble.append(f"{name}.json: {len(data[name]) - len(whole)} entries are no files")
        data[name] = whole
    state, known = data["status"].get("status"), data["status"].get("id")
    return Node(
        key=f"{folder.parent.name}/{folder.name}",
        kind=RUN,
        stage=folder.parent.name,
        name=known if isinstance(known, str) and known else folder.name,
        folder=folder,
        state=state if isinstance(state, str) else "unknown",
        data=data,
        trouble=tuple(trouble),
    )


_PARTS: dict[str, type] = {
    "status": dict, "params": dict, "upstream": dict, "metrics": dict, "git": dict, "inputs": list, "outputs": list,
}  # fmt: skip


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and all(isinstance(entry.get(name), str) and "\0" not in entry[name] for name in ("path", "sha256"))
        and isinstance(entry.get("bytes"), int)
    )


class _Links:
    """The links of runs, gathered run by run; it adds to `nodes` what is no run."""

    def __init__(self, nodes: dict[str, Node], runs: Path) -> None:
        self.nodes, self.runs = nodes, runs
        self.by_name: dict[tuple[str, str], str] = {}
        self.written: dict[str, dict[str, str]] = {}  # key of a run → path → hash
        self.by_hash: dict[str, str] = {}  # of an output → the run that wrote it first
        for key, node in nodes.items():
            self.by_name.setdefault((node.stage, node.name), key)
            self.written[key] = {entry["path"]: entry["sha256"] for entry in node.data["outputs"]}
            for entry in node.data["outputs"]:
                if entry["bytes"]:
                    self.by_hash.setdefault(entry["sha256"], key)
        self.by_name |= {(node.stage, node.folder.name): key for key, node in nodes.items()}
        self.found: dict[tuple[str, str], tuple[list[str], list[Read]]] = {}

    def links(self) -> list[Link]:
        return [Link(a, b, tuple(how), tuple(files)) for (a, b), (how, files) in self.found.items()]

    def of(self, node: Node) -> None:
        """What one run was made from."""
        upstream = node.data["upstream"].items()
        for stage, given in ((stage, one) for stage, of in upstream for one in (of if isinstance(of, list) else [of])):
            if isinstance(given, str) and stage == REVIEW:
                match = _OF_A_REVIEW.fullmatch(given)
                self._add(self.review(match[1]) if match else self._file(given, node), node.key, UPSTREAM)
            elif isinstance(given, str) and given:
                self._add(self._named(stage, given), node.key, UPSTREAM)
        again = node.data["status"].get("rerun_of")
        if isinstance(again, str) and again:
            self._add(self._named(node.stage, again), node.key, AGAIN)
        folders: dict[str, int] = defaultdict(int)
        for entry in node.data["inputs"]:
            folders[_parent(entry["path"])] += 1
        for entry in node.data["inputs"]:
            self._input(entry, node, folded=folders[_parent(entry["path"])] > _FOLDED)

    def _input(self, entry: Mapping[str, Any], node: Node, *, folded: bool) -> None:
        path, digest = entry["path"], entry["sha256"]
        of_run, of_review = self._in_run(path, node), _OF_A_REVIEW.fullmatch(path)
        where, written = None, None
        if of_run is not None:
            key, rest = of_run
            if key == node.key:  # a file of its own
                return
            folder = self.nodes[key].folder
            where = folder / rest if folder else None
            written = self.written.get(key, {}).get(rest)
        elif of_review:
            key = self.review(of_review[1])
            where = self.runs / REVIEW / of_review[1] / (of_review[2] or "")
        else:
            where = _located(path, node)
            if where is not None and where.is_relative_to((node.folder or where).resolve()):
                return
            key = self._file(_parent(path) + "/" if folded and _parent(path) else path, node)
            if digest in self.by_hash and self.by_hash[digest] != node.key:
                self._add(self.by_hash[digest], node.key, SAME_BYTES)
        read = Read(path, digest, entry["bytes"], where or self.runs / path, written)
        self._add(key, node.key, READS, read)

    def _add(self, before: str, after: str, how: str, file: Read | None = None) -> None:
        hows, files = self.found.setdefault((before, after), ([], []))
        if how not in hows:
            hows.append(how)
        if file is not None:
            files.append(file)

    def _named(self, stage: str, name: str) -> str:
        """The key of a run by its id or its folder's name; of one that is gone, too."""
        key = self.by_name.get((stage, name))
        if key is None:
            key = f"{stage}/{name}"
            self.nodes.setdefault(key, Node(key, GONE, stage, name, state=GONE))
        return key

    def _in_run(self, path: str, node: Node) -> tuple[str, str] | None:
        """The run in which a file lies, and its path in there; None if it lies in none."""
        parts = path.split("/")
        for k in range(len(parts) - 2):
            if key := self.by_name.get((parts[k], parts[k + 1])):
                return key, "/".join(parts[k + 2 :])
        match = _OF_A_RUN.fullmatch(path)
        if match and self.nodes.get(f"{match[1]}/{match[2]}", node).kind == GONE:  # looked for already
            return f"{match[1]}/{match[2]}", match[3]
        where = _located(path, node) if match else None
        if match is None or (where is not None and where.exists()):  # a run of another folder of runs is a source
            return None
        return self._named(match[1], match[2]), match[3]

    def review(self, name: str) -> str:
        """The key of a dataset's review: of each run that wrote this dataset it is made."""
        key, folder = f"{REVIEW}/{name}", self.runs / REVIEW / name
        if key not in self.nodes:
            self.nodes[key] = Node(key, REVIEW, REVIEW, name, folder if folder.is_dir() else None)
            for other, node in list(self.nodes.items()):
                if node.kind == RUN and any(_is_reviewed(entry, name) for entry in node.data["outputs"]):
                    self._add(other, key, READS)
        return key

    def _file(self, path: str, node: Node) -> str:
        key = f"file:{path}"
        if key not in self.nodes:
            where = _located(path, node)
            self.nodes[key] = Node(key, FILE, "", path, where if where is not None and where.exists() else None)
        return key


def _is_reviewed(entry: Mapping[str, Any], name: str) -> bool:
    from prosody.dataset import DATASET_FILE

    return entry["path"].rpartition("/")[2] == DATASET_FILE and entry["sha256"].startswith(name)


def _located(path: str, node: Node) -> Path | None:
    with suppress(OSError, ValueError, RuntimeError):
        return record.located(path, node.folder)
    return None


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
