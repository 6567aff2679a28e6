"""What can be done to a segment under review: each action turns segments into other ones, and never changes its input.

An action is a plain dict that a journal can hold: "do" names it, "segment" the segment's id. Ids stay: a segment is
known by its number in the dataset, from 1 ("12"), a part of one by "12.1" and "12.2", two joined by "12+13".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from prosody import markers
from prosody.dataset import Segment, Word, text_of, unreviewed
from prosody.errors import ProsodyError
from prosody.review import asked

Segments = Mapping[str, Segment]
SHORTEST_WORD_S = 0.01
_LONGEST_STEM = 120  # bytes of a file's name
ACCEPTED, REJECTED, UNREVIEWED = "reviewed", "rejected", "unreviewed"


def apply(segments: Segments, action: Mapping[str, Any]) -> dict[str, Segment]:
    """The segments after an action, in time order. Raises ProsodyError, with the remedy, for what cannot be done."""
    done = _ACTIONS.get(str(action.get("do")))
    if done is None:
        raise ProsodyError(None, "review", f"{action.get('do')!r} is no action", f"there are {', '.join(_ACTIONS)}")
    name = str(action.get("segment"))
    if name not in segments:
        raise ProsodyError(None, f"segment {name}", "is not there", "choose one that is")
    return done(segments, name, action)


def final_pause(segment: Segment) -> str | None:
    """The pause that is written after a segment's last word."""
    return markers.parse(segment.text).final


def _toggle(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Put a marker before a word, in place of one of its kind, or take it out if it stands there."""
    token = action["token"]
    if token not in markers.BY_TOKEN:
        raise ProsodyError(None, f"segment {name}", f"{token!r} is no marker", "choose one of the seven")
    segment, k = segments[name], _index(segments[name], action["word"], name)
    now = markers.toggled(segment.words[k].markers, token)
    return _with_word(segments, name, k, replace(segment.words[k], markers=now))


def _accept_heard(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Put in what the sound supports at least so far: of each kind the marker with the most evidence."""
    least = asked.number(action, "least")
    found = []
    for word in segments[name].words:
        slot = list(word.markers)
        for kind in markers.KINDS:
            of_kind = [token for token in markers.TOKENS if markers.BY_TOKEN[token].kind == kind]
            best = max(of_kind, key=lambda token: word.evidence.get(token, 0.0))
            if word.evidence.get(best, 0.0) >= least:
                slot = [token for token in slot if token not in of_kind] + [best]
        found.append(replace(word, markers=markers.canonical(slot)))
    return _with_words(segments, name, found)


def _clear(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Take out all markers before a word."""
    k = _index(segments[name], action["word"], name)
    return _with_word(segments, name, k, replace(segments[name].words[k], markers=()))


def _retext(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Another text for a word; what was measured of it stays until it is measured again."""
    segment, text = segments[name], asked.text(action, "text").strip()
    parsed = markers.parse(text)
    if len(parsed.words) != 1 or parsed.words[0].markers or parsed.final:
        raise ProsodyError(None, f"segment {name}", f"{text!r} is not one word", "write one word, without markers")
    k = _index(segment, action["word"], name)
    return _with_word(segments, name, k, replace(segment.words[k], text=parsed.words[0].text, confidence=None))


def _move(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Move an edge of a word (s): its neighbour gives way as far as it is as long as `SHORTEST_WORD_S`."""
    segment, time = segments[name], asked.number(action, "time")
    k, edge = _index(segment, action["word"], name), action["edge"]
    if edge not in ("start", "end"):
        raise ProsodyError(None, f"segment {name}", f"{edge!r} is no edge of a word", "choose start or end")
    words = list(segment.words)
    word, other = words[k], k - 1 if edge == "start" else k + 1
    low = words[other].start + SHORTEST_WORD_S if edge == "start" and other >= 0 else segment.start
    high = words[other].end - SHORTEST_WORD_S if edge == "end" and other < len(words) else segment.end
    low, high = (low, word.end - SHORTEST_WORD_S) if edge == "start" else (word.start + SHORTEST_WORD_S, high)
    if not low <= time <= high:
        what = f"{edge} of “{word.text}” can't be at {time:.3f} s"
        raise ProsodyError(None, f"segment {name}", what, f"keep it between {low:.3f} and {high:.3f} s")
    words[k] = replace(word, **{edge: round(time, 6)})
    if 0 <= other < len(words):
        near = words[other]
        meets = min(near.end, time) if edge == "start" else max(near.start, time)
        words[other] = replace(near, **{"end" if edge == "start" else "start": round(meets, 6)})
    return _with_words(segments, name, words)


def _split(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """Two segments of one, the second from a word on; they meet in the middle of the gap before that."""
    segment, k = segments[name], _index(segments[name], action["word"], name)
    if k == 0:
        raise ProsodyError(None, f"segment {name}", "has no words before this one", "split before a later word")
    middle = round((segment.words[k - 1].end + segment.words[k].start) / 2, 6)
    if min(middle - segment.start, segment.end - middle) < SHORTEST_WORD_S:
        what = "one of its parts would last no time"
        raise ProsodyError(None, f"segment {name}", what, "split before another word, or move the words' edges first")
    first, second = segment.words[:k], segment.words[k:]
    halves = {
        f"{name}.1": _cut(segment, first, None, segment.start, middle, "1"),
        f"{name}.2": _cut(segment, second, final_pause(segment), middle, segment.end, "2"),
    }
    return _in_place(segments, (name,), halves)


def _merge(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
    """One segment of two: this one and the next."""
    names = list(segments)
    at = names.index(name) + 1
    if at == len(names):
        raise ProsodyError(None, f"segment {name}", "is the last one", "merge the one before it with this one")
    one, other = segments[name], segments[names[at]]
    if one.split != other.split:
        what = f"is of the part “{one.split}”, the next of “{other.split}”"
        raise ProsodyError(None, f"segment {name}", what, "merge segments of one part only")
    pause = final_pause(one)
    words = list(other.words)
    if pause and words and not any(markers.BY_TOKEN[token].kind == "pause" for token in words[0].markers):
        words[0] = replace(words[0], markers=markers.canonical([*words[0].markers, pause]))
    joined = PurePosixPath(other.audio_file).stem
    final = final_pause(other) if words else pause
    whole = _cut(one, (*one.words, *words), final, one.start, other.end, joined)
    if one.review["status"] != other.review["status"]:  # nobody has decided on both
        whole = replace(whole, review=unreviewed())
    return _in_place(segments, (name, names[at]), {f"{name}+{names[at]}": whole})


def _status(status: str) -> Callable[[Segments, str, Mapping[str, Any]], dict[str, Segment]]:
    def done(segments: Segments, name: str, action: Mapping[str, Any]) -> dict[str, Segment]:
        review = unreviewed()
        if status != UNREVIEWED:
            told = {"by": asked.text, "at": asked.moment}
            known = {key: read(action, key) for key, read in told.items() if action.get(key) is not None}
            review = {**review, "status": status, **known}
        return {**segments, name: replace(segments[name], review=review)}

    return done


_ACTIONS: dict[str, Callable[[Segments, str, Mapping[str, Any]], dict[str, Segment]]] = {
    "toggle": _toggle,
    "clear": _clear,
    "accept heard": _accept_heard,
    "retext": _retext,
    "move": _move,
    "split": _split,
    "merge": _merge,
    "accept": _status(ACCEPTED),
    "reject": _status(REJECTED),
    "reopen": _status(UNREVIEWED),
}


def _index(segment: Segment, k: Any, name: str) -> int:
    if type(k) is not int or not 0 <= k < len(segment.words):
        raise ProsodyError(None, f"segment {name}", f"has no word {k}", f"give a number below {len(segment.words)}")
    return k


def _with_word(segments: Segments, name: str, k: int, word: Word) -> dict[str, Segment]:
    words = list(segments[name].words)
    words[k] = word
    return _with_words(segments, name, words)


def _with_words(segments: Segments, name: str, words: list[Word]) -> dict[str, Segment]:
    segment = segments[name]
    text = text_of(words, final_pause(segment))
    return {**segments, name: replace(segment, words=tuple(words), text=text)}


def _cut(segment: Segment, words: tuple[Word, ...], final: str | None, start: float, end: float, name: str) -> Segment:
    """A segment with other edges, and a sound of its own: the file's name with `name` behind."""
    path = PurePosixPath(segment.audio_file)
    audio_file, duration = str(path.with_stem(_short(f"{path.stem}-{name}"))), round(end - start, 6)
    more = {"start": start, "end": end, "duration": duration, "audio_file": audio_file}
    return replace(segment, words=words, text=text_of(words, final), **more)


def _short(stem: str) -> str:
    """A name that every system allows: of a long one the beginning, and what tells it from others."""
    data = stem.encode()
    if len(data) <= _LONGEST_STEM:
        return stem
    return data[: _LONGEST_STEM - 9].decode(errors="ignore") + "-" + hashlib.sha256(data).hexdigest()[:8]


def _in_place(segments: Segments, names: tuple[str, ...], new: Mapping[str, Segment]) -> dict[str, Segment]:
    """The segments with some that follow one another replaced, in the same place, each with a file of its own."""
    found: dict[str, Segment] = {}
    taken = {one.audio_file.casefold() for name, one in segments.items() if name not in names}
    for name, one in new.items():
        path = PurePosixPath(one.audio_file)
        while str(path).casefold() in taken:
            path = path.with_stem(_short(f"{path.stem}-x"))
        new = {**new, name: replace(one, audio_file=str(path))}
    for name, segment in segments.items():
        if name == names[0]:
            found |= new
        elif name not in names:
            found[name] = segment
    return found
