"""A lineage as a tree of lines, as plain data, and in the words that both share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prosody.errors import one_line
from prosody.workflow import lineage, listing
from prosody.workflow.lineage import FILE, GONE, RUN, Graph, Link, Node

_COLORS = {"ok": "32", "running": "36", "failed": "31", "killed": "31", "interrupted": "33", "bad": "31", "soft": "2"}
_SIGNS = {"ok": "✓", "running": "…", "failed": "✗", "killed": "✗", "interrupted": "!", GONE: "∅"}
_MOST = 3  # files that disagree, named with a link

Paint = Callable[[str, str], str]


def plain(_: str, text: str) -> str:
    """Text without a colour."""
    return text


def colored(of: str, text: str) -> str:
    """Text in the colour of a state, for a terminal."""
    return f"\x1b[{_COLORS[of]}m{text}\x1b[0m" if of in _COLORS else text


def tree(graph: Graph, key: str, *, paint: Paint = plain) -> str:
    """What a run was made from, down to the files, then what was made from it, each as a tree.

    Of each link it says whether the bytes still agree: files are hashed for that. What was shown is not shown again.
    """
    check = lineage.checker()
    lines = [_told(graph.nodes[key], paint), *_trouble(graph.nodes[key], "", paint)]
    for up, head in ((True, "made from"), (False, "went into")):
        below = list(_branches(graph, key, up, check, paint))
        lines += ["", paint("soft", head), *(below or [f"└─ nothing that is recorded{'' if up else ' here'}"])]
    around = lineage.cycle(graph)
    if around:
        told = " → ".join(one_line(one) for one in [*around, around[0]])
        lines += ["", paint("bad", f"These records go in a circle, so one of them is wrong: {told}")]
    return "\n".join(lines)


def _branches(graph: Graph, key: str, up: bool, check: Any, paint: Paint) -> Iterator[str]:
    """The lines under a node. It walks without calling itself: a chain of runs may be long."""
    seen = {key}
    waiting = _next(graph, key, up, "")
    while waiting:
        link, before, is_last = waiting.pop()
        other = link.before if up else link.after
        node, again = graph.nodes[other], other in seen
        mark = paint("soft", "  (see above)") if again and (node.kind == RUN) else ""
        yield f"{before}{'└─ ' if is_last else '├─ '}{_told(node, paint)}{_agreed(link, node, check, paint)}{mark}"
        inner = before + ("   " if is_last else "│  ")
        told = check(link) if link.files else []
        yield from (inner + paint("bad", line) for line in told[:_MOST])
        if len(told) > _MOST:
            yield inner + paint("bad", f"… and {len(told) - _MOST} more")
        if not again:
            yield from _trouble(node, inner, paint)
            waiting += _next(graph, other, up, inner)
        seen.add(other)


def _next(graph: Graph, key: str, up: bool, before: str) -> list[tuple[Link, str, bool]]:
    links = in_order(graph, key, up=up)
    return [(link, before, k == len(links) - 1) for k, link in enumerate(links)][::-1]


def in_order(graph: Graph, key: str, *, up: bool) -> list[Link]:
    """A node's links as they are told, to what it was made from (up) or what was made from it: the files at the end."""
    links = graph.before(key) if up else graph.after(key)
    return sorted(links, key=lambda link: graph.nodes[link.before if up else link.after].kind == FILE)


def _told(node: Node, paint: Paint) -> str:
    if node.kind == FILE:
        return one_line(node.name)
    if node.kind != RUN:
        gone = "" if node.folder else paint("bad", "  ∅ gone")
        return f"{node.stage} {one_line(node.name)}{gone}"
    sign = paint(node.state, f"{_SIGNS.get(node.state, '?')} {one_line(node.state)}")
    renamed = f"  (now {node.stage}/{one_line(node.key.partition('/')[2])})" if node.is_renamed else ""
    told = one_line(listing.headline(node.run))
    return f"{node.stage} {one_line(node.name)}{renamed}  {sign}" + (paint("soft", f"  {told}") if told else "")


def _trouble(node: Node, before: str, paint: Paint) -> Iterator[str]:
    yield from (before + paint("bad", f"damaged: {line}") for line in node.trouble)


def _agreed(link: Link, node: Node, check: Any, paint: Paint) -> str:
    words, is_bad = agreement(link, node, check)
    return paint("bad" if is_bad else "soft", f"  [{words}]" if words else "")


def agreement(link: Link, node: Node, check: Callable[[Link], list[str]]) -> tuple[str, bool]:
    """How one came of another, and whether its files are the bytes they were; True if they are not.

    node: the end of the link that is told of. check: of `lineage.checker`.
    """
    words = [how for how in (lineage.AGAIN, lineage.SAME_BYTES) if how in link.how]
    wrong, n = len(check(link)) if link.files else 0, len(link.files)
    if link.files:
        digest = f"{link.files[0].sha256[:12]}, " if node.kind == FILE and n == 1 else ""
        files, since = "1 file" if n == 1 else f"{n} files", lineage.taken_away(link)
        words.append(f"{digest}{'as it was' if n == 1 else f'{files}, all as they were'}")
        if wrong:
            words[-1] = f"{digest}{wrong} of {files} not as it was"
        elif since:
            words[-1] = f"{n - since} of {files} as they were, {since} checkpoint files were taken away since"
    return "; ".join(words), bool(wrong)


def of_run(folder: Path) -> dict[str, Any]:
    """The lineage of a run as plain data. folder: the run's. Raises ProsodyError if it is in no folder of runs."""
    return as_json(*lineage.of(folder))


def as_json(graph: Graph, key: str) -> dict[str, Any]:
    """A lineage as plain data: its nodes with what is told of them, its links with the files that disagree."""
    check = lineage.checker()
    return {
        "of": key,
        "nodes": [_node(node) for node in graph.nodes.values()],
        "links": [
            {
                "from": link.before,
                "to": link.after,
                "how": list(link.how),
                "files": len(link.files),
                "sha256": link.files[0].sha256 if len(link.files) == 1 else None,
                "trouble": check(link),
            }
            for link in graph.links
        ],
        "cycle": lineage.cycle(graph),
    }


def _node(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = {"key": node.key, "kind": node.kind, "stage": node.stage, "name": node.name}
    told |= {"there": node.folder is not None, "trouble": list(node.trouble)}
    if node.kind == RUN:
        params: Mapping[str, Any] = node.data["params"]
        told |= {"state": node.state, "headline": listing.headline(node.run), "parameters": dict(params)}
    return told
