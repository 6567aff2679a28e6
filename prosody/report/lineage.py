"""Where a run comes from, and what was made of it: two nested lists, as the records beside it have it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prosody.errors import ProsodyError
from prosody.report.tables import escaped, shown, words
from prosody.workflow import lineage, lineage_text, listing
from prosody.workflow.lineage import FILE, RUN, Graph, Link, Node

_MOST_DEEP, _MOST_BESIDE, _MOST = 12, 40, 400  # levels, entries of one list, entries in all
_PARAMETERS = 4  # that differ, told of each of several runs of one stage
_DISAGREEING = 3  # files named with a link
_STATES = ("ok", "running", "failed", "interrupted", "killed")


def lineage_html(folder: Path) -> str:
    """The lineage of a run as HTML; "" where no record names anything. folder: the run's.

    All files that are told of are hashed, to say whether they are still the bytes that were read.
    """
    if len(folder.resolve().parts) < 4:  # no folder of runs is that near to the root of a disk
        return ""
    try:
        graph, key = lineage.of(folder)
    except (ProsodyError, OSError):  # a run by itself, as one that was copied out of its folder of runs
        return ""
    if not graph.links:
        return ""
    up, down = (_Tree(graph, up).below(key) for up in (True, False))
    parts = [f"<div><h3>Made from</h3>{up or '<p class=note>Nothing that is recorded.</p>'}</div>"]
    parts += [f"<div><h3>Went into</h3>{down or '<p class=note>Nothing so far.</p>'}</div>"]
    around = lineage.cycle(graph)
    told = f"These records go in a circle, so one of them is wrong: {' → '.join([*around, *around[:1]])}"
    wrong = f'<p class="error">{escaped(told)}</p>' if around else ""
    return f'{wrong}<div class="lineage{" halves" if up and down else ""}">{"".join(parts)}</div>'


@dataclass
class _Tree:
    """One direction of a lineage, told from a run on. told: what was shown already, which is not shown again."""

    graph: Graph
    up: bool
    check: Callable[[Link], list[str]] = field(default_factory=lineage.checker)
    told: set[str] = field(default_factory=set)

    def below(self, key: str, level: int = 1) -> str:
        """The list under a node; "" where there is none."""
        self.told.add(key)
        links = lineage_text.in_order(self.graph, key, up=self.up)
        if not links:
            return ""
        if level > _MOST_DEEP or len(self.told) > _MOST:
            return '<ul><li class="note">… and what is beyond</li></ul>'
        differs = _differing([self._other(link) for link in links])
        items = [self._item(link, differs, level) for link in links[:_MOST_BESIDE]]
        if len(links) > _MOST_BESIDE:
            items.append(f'<li class="note">… and {len(links) - _MOST_BESIDE} more</li>')
        return f"<ul>{''.join(items)}</ul>"

    def _other(self, link: Link) -> Node:
        return self.graph.nodes[link.before if self.up else link.after]

    def _item(self, link: Link, differs: dict[str, list[str]], level: int) -> str:
        node = self._other(link)
        again, (agreed, is_bad) = node.key in self.told, lineage_text.agreement(link, node, self.check)
        parts = [_node(node)]
        parts += [f'<span class="{"wrong" if is_bad else "note"}">{escaped(agreed)}</span>'] if agreed else []
        parts += ['<span class="note">(see above)</span>'] if again and node.kind == RUN else []
        head = " ".join(parts)
        if again:
            return f"<li>{head}</li>"
        told = _told(node, differs.get(node.stage, ())) if node.kind == RUN else ""
        wrong = [*(self.check(link)[:_DISAGREEING] if link.files else ()), *(f"damaged: {one}" for one in node.trouble)]
        lines = "".join(f'<p class="wrong">{escaped(line)}</p>' for line in wrong)
        return f"<li>{head}{told}{lines}{self.below(node.key, level + 1)}</li>"


def _node(node: Node) -> str:
    """A run and how it ended, a review, or a file."""
    if node.kind == FILE:
        return f"<code>{escaped(node.name)}</code>"
    name = f"<b>{escaped(node.stage)}</b> <code>{escaped(node.name)}</code>"
    if node.kind != RUN:
        return name if node.folder else f'{name} <span class="state state-killed">gone</span>'
    known = node.state if node.state in _STATES else "unknown"
    renamed = f" now {escaped(node.key)}" if node.is_renamed else ""
    return f'{name} <span class="state state-{known}">{escaped(node.state)}</span>{renamed}'


def _told(node: Node, differs: Sequence[str]) -> str:
    """A run's line of figures. differs: the parameters that are told before them."""
    told = [f"<b>{escaped(words(one))} {escaped(shown(node.data['params'].get(one)))}</b>" for one in differs]
    told += [escaped(listing.headline(node.run))]
    line = " · ".join(filter(None, told))
    return f"<p>{line}</p>" if line else ""


def _differing(nodes: Sequence[Node]) -> dict[str, list[str]]:
    """By stage, the first parameters in which several runs that stand beside each other differ."""
    found: dict[str, list[str]] = {}
    for stage in {node.stage for node in nodes if node.kind == RUN}:
        params = [node.data["params"] for node in nodes if node.kind == RUN and node.stage == stage]
        names = dict.fromkeys(name for one in params for name in one)
        varied = [name for name in names if len({json.dumps(one.get(name), sort_keys=True) for one in params}) > 1]
        found[stage] = varied[:_PARAMETERS]
    return found
