"""What the command `mark` takes and tells: its options, the marked text, and why each marker stands where it does."""

from __future__ import annotations

from argparse import Namespace, _ActionsContainer
from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

from prosody.commands import print_json
from prosody.errors import one_line

if TYPE_CHECKING:
    from prosody.lm.checkpoint import Adapter
    from prosody.lm.mark import Marked

_LEAST_SHOWN = 0.01
_WIDTHS = (20, 34, 36)  # of the columns before the last, characters


def add_options(command: _ActionsContainer) -> None:
    """The command's own options."""
    add_placing_options(command)
    add = command.add_argument
    add("--threshold", type=float, metavar="P", help="place what has this probability, however many that are")
    add("--json", action="store_true", help="print JSON: all probabilities, thresholds and reasons")
    add("--explain", action="store_true", help="a table too: of each word the likeliest markers, and why they stand")


def add_placing_options(command: _ActionsContainer) -> None:
    """How many markers, and which: what all commands share that place some."""
    add = command.add_argument
    add(
        "--expressiveness",
        type=float,
        default=1.0,
        metavar="X",
        help="how many markers: 0 none, 1 the speaker's own rate, up to 2",
    )
    add("--allow", nargs="+", metavar="MARKER", help="place only these, as emph pause_short (put them last)")
    add("--forbid", nargs="+", metavar="MARKER", default=[], help="do not place these")


def options(arguments: Namespace) -> dict[str, Any]:
    """What `prosody.lm.mark.mark` is to be called with. Raises ProsodyError, before any work, where it would."""
    from prosody.lm.placing import Rule, permitted

    names = ("expressiveness", "allow", "forbid", "threshold")
    how = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    tokens = permitted(how["allow"], how["forbid"])
    Rule(how["expressiveness"], sure=1.0, rates={}, tokens=tokens, threshold=how.get("threshold"))
    return how


def tell_of(marked: Marked, adapter: Adapter, arguments: Namespace) -> None:
    """Print the marked text, or write it to the file that is asked for; then what explains it, if that is wanted."""
    from prosody import files

    if arguments.out is not None:
        files.write_text(arguments.out, f"{marked}\n", overwrite=arguments.overwrite)
    if arguments.json:
        print_json(as_json(marked, adapter, arguments))
        return
    if arguments.out is None:
        print(marked)
    if arguments.explain:
        print("\n".join(["", *explained(marked)]))


def as_json(marked: Marked, adapter: Adapter, arguments: Namespace) -> dict[str, Any]:
    """All that is known of a marked text, and how it was asked for."""
    from prosody.lm.evaluate import per_100_words
    from prosody.workflow.answers import adapter_name

    asked = {name: getattr(arguments, name) for name in ("expressiveness", "threshold")}
    if arguments.threshold is not None:
        asked["expressiveness"] = None
    return {
        "adapter": adapter_name(adapter),
        **asked,
        "markers_per_100_words": per_100_words([word.markers for word in marked.text.words]),
        "markers_per_100_words_of_speaker": adapter.card.get("markers_per_100_words"),
        **marked.as_json(),
    }


def explained(marked: Marked) -> Iterator[str]:
    """A table: of each word and kind the marker that stands or comes nearest, its probability, and why."""
    from prosody import markers

    told = [f"{markers.BY_TOKEN[t].name} {x:.2f}" for t, x in marked.thresholds.items() if isfinite(x)]
    yield "placed from: " + (", ".join(told) or "no marker is placed")
    yield _row("word", *markers.KINDS)
    for k, word in enumerate(marked.text.words):
        shares, why = marked.probabilities[k], marked.reasons[k]
        cells = []
        for kind in markers.KINDS:
            of_kind = [t for t in markers.TOKENS if markers.BY_TOKEN[t].kind == kind]
            shown = next((t for t in of_kind if t in word.markers), max(of_kind, key=lambda t: shares[t]))
            is_shown = shown in word.markers or shares[shown] >= _LEAST_SHOWN
            cells.append(f"{markers.BY_TOKEN[shown].name} {shares[shown]:.2f} {why[shown]}" if is_shown else "")
        yield _row(one_line(word.text), *cells)


def _row(*cells: str) -> str:
    pairs = zip(cells, _WIDTHS, strict=False)
    shown = [f"{cell if len(cell) < width else cell[: width - 2] + '…':{width}}" for cell, width in pairs]
    return "".join([*shown, *cells[len(_WIDTHS) :]]).rstrip()
