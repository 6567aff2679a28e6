"""The tables of agreement and of doubtful places, as HTML that needs no script."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prosody.dataset import Segment, Word
from prosody.markers import BY_TOKEN, TOKENS
from prosody.notebook import live
from prosody.notebook.behind import numbers
from prosody.notebook.show import marker_html
from prosody.notebook.show import table as _table
from prosody.speech.audio import Audio
from prosody.speech.compare import Place

if TYPE_CHECKING:
    from IPython.display import HTML

    from prosody.lm.answer import Answer
    from prosody.lm.mark import Marked

_COUNTS = ("written", "heard", "supported", "not_heard", "not_written")
_MEASUREMENTS = {
    "f0_level_st": "how high (f0, semitones)",
    "f0_slope_st": "rising or falling (f0, semitones)",
    "energy_db": "how loud (energy, dB)",
    "duration_z": "how long (duration, for such a word)",
    "pause_before_s": "pause before it (s, its logarithm)",
}
_AROUND = 3  # words shown before and after a doubtful place
_MOST_WORDS = 8  # shown of a place of many words
_LISTEN_S = 1.0  # heard before and after it
_MOST_S = 10.0  # heard of it


def agreement_table(compared: Mapping[str, Mapping[str, float]], heard: Mapping[str, int]) -> HTML:
    """Marker by marker: the counts, precision, recall, F1 and kappa; a dash where there is nothing to count.

    compared: as from `compare.compare`. heard: token → count; it alone is shown if nothing is written.
    """
    if not compared:
        rows = [[marker_html(token), str(heard[token])] for token in TOKENS]
        note = "Nothing is written in the transcript, so there is nothing to compare with."
        return _table(["marker", "heard"], rows, note=note)
    head = ["marker", "written", "heard", "supported", "not heard", "heard, not written"]
    head += ["precision", "recall", "F1", "kappa"]
    rows = []
    for token in TOKENS:
        row = compared[token]
        defined = (row["heard"], row["written"], row["written"] + row["heard"], row["written"] + row["heard"])
        figures = zip(("precision", "recall", "f1", "kappa"), defined, strict=True)
        cells = [f"{row[name]:.2f}".replace("-", "−") if some else "–" for name, some in figures]
        rows.append([marker_html(token), *(str(row[name]) for name in _COUNTS), *cells])
    return _table(head, rows)


def scores_table(metrics: Mapping[str, Any]) -> HTML:
    """Marker by marker how well it is placed on held-out text; a dash where there is nothing to count.

    metrics: of a training. Below it the trivial rules' macro F1 beside the model's, over the seeds if there are
    several.
    """
    rows = []
    for token in TOKENS:
        of, some = metrics["precision_recall"][token], metrics["precision_recall"][token]["written"]
        f1 = metrics["f1"][token] if some else None
        figures = ("–" if one is None else f"{one:.2f}" for one in (of["precision"], of["recall"], f1))
        rows.append([marker_html(token), str(some), *figures])
    others = [[name.replace("_", " "), "", "", "", f"{f1:.2f}"] for name, f1 in metrics["macro_f1_baselines"].items()]
    shown = f"{metrics['macro_f1']:.2f}"
    if "seeds" in metrics:
        of = metrics["seeds"]["macro_f1"]
        shown += f" (of {len(of['values'])} seeds {of['mean']:.2f} ± {of['spread']:.2f})"
    tuned = [f"<b>macro F1, tuned (epoch {metrics['best_epoch']})</b>", "", "", "", f"<b>{shown}</b>"]
    note = f"Probabilities lie {100 * metrics['calibration_error']:.1f} points off the shares, on average."
    return _table(["marker", "written", "precision", "recall", "F1"], [*rows, tuned, *others], note=note)


def measurements_table(metrics: Mapping[str, Any]) -> HTML:
    """What the head foretells of the sound of held-out words, beside always saying the speaker's median word.

    metrics: of a training; errors are mean and absolute, in the spread of the speaker's words.
    """
    rows = []
    for name, of in metrics.get("measurements", {}).items():
        figures = (f"{of['error']:.2f}", f"{of['error_of_median']:.2f}", str(of["words"]))
        rows.append([html.escape(_MEASUREMENTS.get(name, name)), *figures])
    note = "" if rows else "The dataset holds no measurements: prepare it from the recording."
    return _table(["measurement", "error (spreads)", "error of the median word", "words"], rows, note=note)


def doubtful_table(places: Sequence[Place], segments: Sequence[Segment], audio: Audio) -> HTML:
    """Each place with its time, the words around, what is written and heard, the evidence, and its sound to play.

    places: as from `compare.doubtful`. segments: their words measured. audio: the recording.
    """
    numbered = [(number, word) for number, segment in enumerate(segments, 1) for word in segment.words]
    words = [word for _, word in numbered]
    rows = []
    for place in places:
        number, word = numbered[place.index]
        end_s = min(words[place.index + place.n_words - 1].end, word.start + _MOST_S)
        first, last = (max(0, round(at * audio.sample_rate)) for at in (word.start - _LISTEN_S, end_s + _LISTEN_S))
        sound = live.sound(audio.samples[first:last], audio.sample_rate, f"{word.start:.1f} s, {word.text}")
        around = f'<div style="min-width:16em">{_around(place, words)}</div>'
        cells = [f"{word.start:.2f}", str(number), around, _marker(place.written), _marker(place.heard)]
        rows.append([*cells, _behind(place, word), sound])
    head = ["time (s)", "segment", "the word, and those around", "written", "heard", "evidence", "listen"]
    return _table(head, rows, left={2, 3, 4, 5, 6}, note="" if rows else "There is no doubtful place.")


def _marker(token: str | None) -> str:
    return marker_html(token) if token else "–"


def _around(place: Place, words: Sequence[Word]) -> str:
    """The words of a place, and those before and after them."""
    stop = place.index + place.n_words
    texts = [word.text for word in words[place.index : stop]]
    if len(texts) > _MOST_WORDS:
        texts[_MOST_WORDS - 2 : -1] = ["…"]
    before, after = words[max(0, place.index - _AROUND) : place.index], words[stop : stop + _AROUND]
    inside = f"<b>{html.escape(' '.join(texts))}</b>"
    return " ".join([*(html.escape(w.text) for w in before), inside, *(html.escape(w.text) for w in after)])


def _behind(place: Place, word: Word) -> str:
    """The evidence for the markers of a place, a line each; where its words are in doubt, how sure they are."""
    if place.token is None:
        which = "that this word is said here" if place.n_words == 1 else f"in the least sure of {place.n_words} words"
        return f"confidence {1 - place.doubt:.2f} {which}"
    tokens = [token for token in (place.written, place.heard) if token] or [place.token]
    return "<br>".join(_evidence(token, word) for token in dict.fromkeys(tokens))


def _evidence(token: str, word: Word) -> str:
    told = numbers(token, word.measured)
    name = f"{word.evidence.get(token, 0.0):.2f} {html.escape(BY_TOKEN[token].name)}"
    return name + (f": {html.escape(told)}" if told else "")


def points_table(answers: Sequence[Answer]) -> HTML:
    """Question by question, which of its points the answer takes up; a point that is missed is said in words."""
    rows = [
        [html.escape(one.question), html.escape(point), "✓ taken up" if yes else "✗ left out"]
        for one in answers
        for point, yes in zip(one.points, one.covered, strict=True)
    ]
    return _table(["question", "point", "in the answer"], rows, left={0, 1, 2})


def slots_table(marked: Marked, *, least: float = 0.05) -> HTML:
    """Why each marker stands where it does, and which ones nearly stood: a row for each of at least `least`."""
    rows = []
    for word, shares, why in zip(marked.text.words, marked.probabilities, marked.reasons, strict=True):
        for token in TOKENS:
            if token in word.markers or shares[token] >= least:
                needed = marked.thresholds.get(token, math.inf)
                figures = [f"{shares[token]:.2f}", f"{needed:.2f}" if math.isfinite(needed) else "–"]
                shown = f"{'●' if token in word.markers else '○'} {marker_html(token)}"
                rows.append([html.escape(word.text), shown, *figures, html.escape(why[token])])
    return _table(["word", "marker", "probability", "placed from", "why"], rows, left={0, 1, 4})
