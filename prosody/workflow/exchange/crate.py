"""A run as an RO-Crate 1.1 of the Process Run Crate profile: what was run on what, when, with which result, as JSON-LD.

The format: https://w3id.org/ro/crate/1.1 and https://w3id.org/ro/wfrun/process/0.5. It is a list of entities that point
at each other by their ids, and is written here by hand: the library for it would bring no check, only packages.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote as quoted

from prosody import files
from prosody.errors import ProsodyError
from prosody.workflow import record
from prosody.workflow.exchange.parcel import MANIFEST, Parcel, clean
from prosody.workflow.notebooks import NOTEBOOKS

METADATA = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}]
_OWN_LICENCE = "Apache-2.0"
_STATES = {"ok": "CompletedActionStatus", "running": "ActiveActionStatus"}  # all others have failed
_KINDS = {".ipynb": "application/x-ipynb+json", ".safetensors": "application/octet-stream", ".md": "text/markdown"}
_KINDS |= {".flac": "audio/flac", ".wav": "audio/wav", ".json": "application/json", ".patch": "text/x-diff"}
_OF_RECORD = ("status.json", "params.json", "git.json", "dirty.patch", "packages.txt", "machine.json", "log.txt")

Entity = dict[str, Any]


def metadata(parcel: Parcel, *, agent: str = "", licence: str = "") -> bytes:
    """The crate's metadata file for what is in a parcel.

    agent: who ran it, if that is to be told. licence: of all that is in it, as an SPDX id or an address; empty: not
    stated, since it is not ours to say under which one somebody's voice may be used.
    """
    entities = {entity["@id"]: entity for entity in _files(parcel)}
    action = _action(parcel, entities, parcel.inputs)
    mentioned = [action, *_before(parcel, entities)]
    if agent:
        action["agent"] = _put(entities, {"@id": "#agent", "@type": "Person", "name": agent})
    ended = str(parcel.run.status.get("ended") or parcel.run.status.get("started") or "")
    name = f"Run {parcel.id} of {parcel.stage}"
    described = f"One recorded run of the stage {parcel.stage} of Janus Prosody, which {_ended(parcel.run.status)}."
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": described,
        "datePublished": ended[:10] or f"{datetime.now(UTC):%Y-%m-%d}",
        "license": _put(entities, _licence(licence)),
        "conformsTo": _put(
            entities, {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
        ),
        "hasPart": [_to(entity["@id"]) for entity in _files(parcel)],
        "mentions": [_to(one["@id"]) for one in mentioned],
    }
    head = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": _to("https://w3id.org/ro/crate/1.1"),
        "about": _to("./"),
    }
    if agent:
        root["author"] = _to("#agent")
    graph = [_plain(entity) for entity in (head, root, *mentioned, *entities.values())]
    return files.json_bytes({"@context": CONTEXT, "@graph": graph})


def _action(parcel: Parcel, entities: dict[str, Entity], inside: Mapping[tuple[str, str], str]) -> Entity:
    """What was done: the notebook, run with these parameters on these inputs, and what came of it."""
    status = parcel.run.status
    action: Entity = {
        "@id": f"#run-{quote(parcel.id)}",
        "@type": "CreateAction",
        "name": f"{parcel.stage}, run {parcel.id}",
        "description": f"The notebook of the stage {parcel.stage}, which {_ended(status)}.",
        "instrument": _put(entities, _instrument(parcel, entities)),
        "actionStatus": f"http://schema.org/{_STATES.get(parcel.run.state, 'FailedActionStatus')}",
        **_times(status),
    }
    if parcel.run.state not in _STATES:
        action["error"] = _error(parcel.run)
    inputs = [_of_entry(entry, entities, inside) for entry in parcel.listed("inputs.json")]
    action["object"] = inputs + _parameters(parcel, entities)
    here = {(entry["sha256"], Path(entry["path"]).name): entry["path"] for entry in parcel.entries} or inside
    made = [_of_entry(entry, entities, here) for entry in parcel.listed("outputs.json")]
    own = {entry["path"] for entry in parcel.entries}  # of a run before it, none
    action["result"] = made + [_to(name) for name in ("notebook.ipynb", "metrics.json") if name in own]
    if about := [_to(name) for name in _OF_RECORD if name in own]:
        action["subjectOf"] = about
    return action


def _before(parcel: Parcel, entities: dict[str, Entity]) -> Iterator[Entity]:
    """The runs that it was made from, as far as they are here, each as an action of its own."""
    waiting, seen = [parcel], {parcel.id}
    while waiting:
        upstream = waiting.pop().data("upstream.json")
        for stage, given in _each_run(upstream):
            folder = record.runs_folder() / stage / given
            if given in seen or not (folder / "status.json").is_file():
                continue
            seen.add(given)
            try:
                earlier = Parcel(record.read(folder), _record_of(folder))
            except ProsodyError:  # damaged: it is told by its id in upstream.json alone
                continue
            yield _action(earlier, entities, parcel.inputs)
            waiting.append(earlier)


def _each_run(upstream: Any) -> Iterator[tuple[str, str]]:
    """Stage and id of each run that upstream.json names; of a stage there may be several."""
    for stage, given in (upstream if isinstance(upstream, Mapping) else {}).items():
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, str):
                yield str(stage), one


def _record_of(folder: Path) -> dict[str, Path | bytes]:
    return {path.name: clean(path, path.name) for path in sorted(folder.glob("*.json")) if path.is_file()}


def _instrument(parcel: Parcel, entities: dict[str, Entity]) -> Entity:
    """The notebook as it was in the clone, at its commit."""
    git, machine = parcel.data("git.json") or {}, parcel.data("machine.json") or {}
    version = str(git.get("commit") or git.get("package_sha256") or "unknown")
    if git.get("dirty"):
        version += "+dirty"
    elif git.get("commit") and git.get("why"):
        version += "+unknown"
    notebook = f"notebooks/{NOTEBOOKS.get(parcel.stage, f'{parcel.stage}.ipynb')}"
    python = str(machine.get("python") or "unknown")
    language = {"@id": "#python", "@type": "ComputerLanguage", "name": "Python", "version": python}
    runtime = {"@id": f"#python-{quote(python)}", "@type": "SoftwareApplication", "name": "Python", "version": python}
    runtime["url"] = "https://www.python.org/"
    return {
        "@id": f"#{quote(notebook)}-{quote(version)}",
        "@type": "SoftwareSourceCode",
        "name": notebook,
        "description": f"The notebook of the stage {parcel.stage} of Janus Prosody; packages.txt tells the packages.",
        "version": version,
        "license": _put(entities, _licence(_OWN_LICENCE)),
        "programmingLanguage": _put(entities, language),
        "softwareRequirements": _put(entities, runtime),
    }


def _parameters(parcel: Parcel, entities: dict[str, Entity]) -> list[Entity]:
    given = parcel.data("params.json")
    found = []
    for name, value in (given if isinstance(given, Mapping) else {}).items():
        plain = value if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False)
        entity = {"@id": f"#parameter-{quote(parcel.id)}-{quote(name)}", "@type": "PropertyValue", "name": name}
        found.append(_put(entities, {**entity, "value": plain}))
    return found


def _files(parcel: Parcel) -> Iterator[Entity]:
    for entry in parcel.entries:
        yield _file(entry)
    yield {
        "@id": MANIFEST,
        "@type": "File",
        "name": MANIFEST,
        "description": "The hash of every file, and what was left out.",
        "encodingFormat": "application/json",
    }


def _file(entry: Mapping[str, Any]) -> Entity:
    path = Path(entry["path"])
    kind = _KINDS.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {
        "@id": quote(entry["path"]),
        "@type": "File",
        "name": entry["path"],
        "encodingFormat": "text/plain" if path.suffix == ".txt" else kind,
        "contentSize": str(entry["bytes"]),
        "sha256": entry["sha256"],
    }


def _of_entry(entry: Mapping[str, Any], entities: dict[str, Entity], inside: Mapping[tuple[str, str], str]) -> Entity:
    """A file of inputs.json or outputs.json: the one in the crate, or what is known of one that is not in it."""
    name = entry["path"].rpartition("/")[2]
    there = inside.get((entry["sha256"], name))
    if there is not None and quote(there) in entities:
        return _to(quote(there))
    away = {**_file(entry), "@id": f"#sha256-{entry['sha256']}-{quote(name)}", "@type": "CreativeWork"}
    return _put(entities, {**away, "description": "Not in this crate."})


def _licence(given: str) -> Entity:
    if not given:
        what = "Not stated: whoever handed on this run knows what may be done with it."
        return {"@id": "#licence", "@type": "CreativeWork", "name": "not stated", "description": what}
    address = given if "://" in given else f"https://spdx.org/licenses/{quote(given)}"
    return {"@id": address, "@type": "CreativeWork", "name": given, "description": f"The licence {given}."}


def _ended(status: Mapping[str, Any]) -> str:
    state = str(status.get("status"))
    return {"ok": "went well", "running": "was still going on", "failed": "failed"}.get(state, f"was {state}")


def _error(run: record.Run) -> str:
    """Why a run did not go well, in a line."""
    error = run.status.get("error")
    if isinstance(error, Mapping):
        place = f"cell {error['cell']}: " if error.get("cell") else ""
        return f"{place}{error.get('name')}: {error.get('message')}"
    return str(run.status.get("reason") or _ended(run.status))


def _times(status: Mapping[str, Any]) -> dict[str, str]:
    """When it began and ended, as far as the record tells a time there."""
    found = {}
    for name, key in (("startTime", "started"), ("endTime", "ended")):
        with suppress(ValueError):
            found[name] = datetime.fromisoformat(str(status.get(key))).isoformat(timespec="milliseconds")
    return found


def quote(name: str) -> str:
    """A name as part of an address; half a pair of surrogates, which no address holds, as a question mark."""
    return quoted(name, errors="replace")


def _plain(entity: Entity) -> Entity:
    """An entity as the format has it: a list of one is that one, an empty one is not told."""
    told = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in entity.items()}
    return {name: value for name, value in told.items() if value != []}


def _put(entities: dict[str, Entity], entity: Entity) -> Entity:
    """Declare an entity, once; returns a pointer to it."""
    entities.setdefault(entity["@id"], entity)
    return _to(entity["@id"])


def _to(name: str) -> Entity:
    return {"@id": name}
