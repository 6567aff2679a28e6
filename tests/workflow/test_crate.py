"""A crate is what the format and its profile say, and agrees with the files that it describes."""

import hashlib
import json
import socket
from pathlib import Path
from urllib.parse import unquote

import pytest

from prosody.files import write_json
from prosody.workflow import record
from prosody.workflow.exchange import crate, parcel

CONTEXT = Path(__file__).with_name("crate_context.json")  # the terms that we use, as RO-Crate's context has them


@pytest.fixture
def chain(runs):
    """A run of prepare, and one of train that failed on its artifacts; returns the latter's folder."""
    first = record.start("prepare", {"markers": "both", "reviewer": None}, runs=runs, how="headless")
    made = first / "artifacts" / "a b.wav"
    made.write_bytes(b"sound")
    write_json(first / "outputs.json", record.described(first / "artifacts", first), overwrite=True)
    record.end(first, "ok", code=0)
    second = record.start("train", {"epochs": 3, "points": ["x", "y"]}, runs=runs, how="headless")
    write_json(second / "upstream.json", {"prepare": first.name, "review": "runs/review/x/reviewed-1"}, overwrite=True)
    write_json(second / "inputs.json", record.described(made, second), overwrite=True)
    (second / "artifacts" / "model.bin").write_bytes(b"weights")
    write_json(second / "outputs.json", record.described(second / "artifacts", second), overwrite=True)
    record.end(second, "failed", code=1, error={"cell": 4, "name": "ValueError", "message": "too few"})
    return second


def exported(folder, out, *, agent="", licence="", **how):
    found = parcel.gather(folder, **how)
    parcel.write(found, out, {crate.METADATA: crate.metadata(found, agent=agent, licence=licence)})
    return {entity["@id"]: entity for entity in json.loads((out / crate.METADATA).read_text("utf-8"))["@graph"]}


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def pointers(value):
    if isinstance(value, dict):
        yield value["@id"]
    elif isinstance(value, list):
        for one in value:
            yield from pointers(one)


def check(graph, out):
    """What RO-Crate 1.1 and the Process Run Crate profile ask for, and that it is true of the files."""
    told = json.loads((out / crate.METADATA).read_text("utf-8"))
    assert len(told["@graph"]) == len(graph), "an entity is declared twice"
    known = set(json.loads(CONTEXT.read_text("utf-8"))["@context"]) | set(told["@context"][1]) | {"@id", "@type"}
    for entity in graph.values():
        assert set(entity) <= known, "a term that the context does not know is lost"
        assert entity["@type"] in known
        for name, value in entity.items():
            for pointer in pointers(value):
                assert pointer in graph or pointer == "https://w3id.org/ro/crate/1.1", (name, pointer)
    head, root = graph[crate.METADATA], graph["./"]
    assert (head["@type"], head["about"]) == ("CreativeWork", {"@id": "./"})
    assert head["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert {"name", "description", "datePublished", "license", "conformsTo"} <= set(root)
    assert root["conformsTo"] == {"@id": crate.PROFILE} and graph[crate.PROFILE]["@type"] == "CreativeWork"
    actions = [entity for entity in graph.values() if entity["@type"] == "CreateAction"]
    assert [one["@id"] for one in listed(root["mentions"])] == [action["@id"] for action in actions]
    for action in actions:
        assert graph[action["instrument"]["@id"]]["@type"] == "SoftwareSourceCode"
        assert ("error" in action) == action["actionStatus"].endswith("/FailedActionStatus")
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - {crate.METADATA}
    parts = [one["@id"] for one in listed(root["hasPart"])]
    assert sorted(unquote(part) for part in parts) == sorted(there), "a file that the crate does not list, or lacks"
    assert {name for name, entity in graph.items() if entity["@type"] == "File"} == set(parts)
    for part in parts:
        data = (out / unquote(part)).read_bytes()
        if part != parcel.MANIFEST:
            assert graph[part]["sha256"] == hashlib.sha256(data).hexdigest()
            assert graph[part]["contentSize"] == str(len(data))
    return actions


def test_a_run_is_told_with_what_it_read_what_it_made_and_why_it_failed(chain, tmp_path):
    graph = exported(chain, tmp_path / "out")
    action, before = check(graph, tmp_path / "out")
    status = record.read(chain).status
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "cell 4: ValueError: too few"
    assert action["startTime"][:19] == status["started"][:19] and action["endTime"][:19] == status["ended"][:19]
    notebook = graph[action["instrument"]["@id"]]
    commit = json.loads((chain / "git.json").read_text())["commit"]
    assert notebook["name"] == "notebooks/03_train_lora.ipynb" and notebook["version"].startswith(commit)
    objects = [graph[one["@id"]] for one in action["object"]]
    values = {one["name"]: one["value"] for one in objects if one["@type"] == "PropertyValue"}
    assert values == {"epochs": 3, "points": '["x", "y"]'}
    (read,) = [one for one in objects if one["@type"] == "CreativeWork"]
    assert (read["sha256"], read["contentSize"]) == (hashlib.sha256(b"sound").hexdigest(), "5")
    assert {"@id": "artifacts/model.bin"} in action["result"]
    assert {"@id": "packages.txt"} in action["subjectOf"] and {"@id": "machine.json"} in action["subjectOf"]
    assert "agent" not in action and graph["#licence"]["name"] == "not stated"
    assert before["result"] == {"@id": read["@id"]}, "what the run before made is what this one read"
    assert before["actionStatus"] == "http://schema.org/CompletedActionStatus"


def test_inputs_can_go_along_and_an_agent_and_a_licence_be_told(chain, tmp_path):
    graph = exported(chain, tmp_path / "out", agent="Anna", licence="CC-BY-4.0", with_inputs=True)
    action, _ = check(graph, tmp_path / "out")
    (read,) = [graph[one["@id"]] for one in action["object"] if graph[one["@id"]]["@type"] == "File"]
    assert (tmp_path / "out" / unquote(read["@id"])).read_bytes() == b"sound"
    assert graph[action["agent"]["@id"]] == {"@id": "#agent", "@type": "Person", "name": "Anna"}
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}


def test_a_run_that_lacks_most_of_its_record_is_told_all_the_same(chain, tmp_path):
    for name in ("params.json", "git.json", "machine.json", "inputs.json", "upstream.json", "packages.txt"):
        (chain / name).unlink()
    (chain / "metrics.json").write_text("{damaged")
    (action,) = check(exported(chain, tmp_path / "out"), tmp_path / "out")
    assert "object" not in action


@pytest.mark.parametrize("how", [{}, {"with_inputs": True, "without_audio": True}, {"agent": "Anna"}])
def test_the_validator_of_the_profile_finds_nothing_wrong(chain, tmp_path, monkeypatch, how):
    services = pytest.importorskip("rocrate_validator.services")
    import requests
    from rocrate_validator.utils.http import HttpRequester

    def get(_self, address, **_):
        assert address == "https://w3id.org/ro/crate/1.1/context"
        answer = requests.Response()
        answer.status_code, answer._content = 200, CONTEXT.read_bytes()
        answer.headers["Content-Type"] = "application/ld+json"
        return answer

    def no_network(*_):
        raise OSError("a test may not use the network")

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    exported(chain, tmp_path / "out", **how)
    settings = {"profile_identifier": "process-run-crate", "offline": True, "cache_path": tmp_path / "cache"}

    def wrong(severity):
        asked = {**settings, "rocrate_uri": str(tmp_path / "out"), "requirement_severity": severity}
        return [(i.check.identifier, i.message) for i in services.validate(asked).get_issues()]

    assert wrong("REQUIRED") == []
    recommended = {message.split(",")[0] for _, message in wrong("RECOMMENDED")}
    allowed = ("url", "agent", "author", "publisher", "absolute URI")  # nobody is named, and no address is known
    assert [message for message in recommended if not any(word in message for word in allowed)] == []
    (tmp_path / "out" / "packages.txt").unlink()
    assert wrong("REQUIRED"), "the check itself"
