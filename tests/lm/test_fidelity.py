import importlib.util
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lm_data import rule_book, save_book
from test_bench import corpus

from prosody import markers
from prosody.lm import bench, bootstrap, controls, fidelity, style
from prosody.lm.bootstrap import Estimate
from prosody.lm.distance import divergences
from prosody.lm.style import PLACES, Text
from prosody.workflow import speaker

EMPH, SHORT, LONG = "<emph>", "<pause_short>", "<pause_long>"
BOOK = style.of_dataset(rule_book(40, measured=True), split="train")  # 36 segments
OWN, HELD_OUT = BOOK[:18], BOOK[18:]
NO_READERS = {"readers": {}}
QUICK = {"n_draws": 200}


def elsewhere(texts, seed=0):
    """The same markers, each at a random word of its text."""
    draw = random.Random(seed)
    return [replace(text, slots=tuple(draw.sample(text.slots, len(text.slots)))) for text in texts]


def fewer(texts, share, seed=0):
    draw = random.Random(seed)
    return [replace(text, slots=tuple(slot if draw.random() < share else () for slot in text.slots)) for text in texts]


@pytest.fixture(scope="module")
def same():
    return fidelity.compare(OWN, HELD_OUT, learned=BOOK[9:27], **QUICK)


def test_identical_texts_lie_no_distance_apart():
    found = fidelity.compare(OWN, OWN, **NO_READERS, **QUICK)
    assert found.distance.value == found.distance.low == 0
    assert found.distance_of_words.value == found.pause_distance_s.value == 0
    assert all(one.value == 0 and one.low < 0 < one.high for one in found.differences["rates"].values() if one.low)


def test_rates_places_and_combinations_by_hand():
    text = style.of_marked(f"Oh, {SHORT} {EMPH} we saw. {LONG} <pitch_low> Then {EMPH} never {EMPH} again.")
    found = fidelity.compare([text], [text], **NO_READERS, **QUICK).answers
    assert (found.n_words, found.n_markers, found.blocks, found.n_blocks) == (6, 6, "sentences", 2)
    assert found.rates[EMPH].value == pytest.approx(50, abs=1e-12)
    assert found.rates["<pitch_high>"].value == 0
    assert found.places[EMPH]["sentence-final"].value == pytest.approx(1 / 3, abs=1e-12)
    assert found.places[EMPH]["content word"].value == pytest.approx(2 / 3, abs=1e-12)
    assert found.places["<pitch_low>"]["sentence-initial"].value == 1
    assert found.places["<pitch_high>"]["content word"] == Estimate(None)
    assert found.combinations["pause + emph"].value == found.combinations["pause + pitch"].value == 0.25
    assert found.combinations["emph"].value == 0.5


def test_the_same_style_is_near_and_its_controls_are_not(same):
    assert same.distance.low == 0 and same.distance.value < 0.03
    assert same.distance_self.value < 0.03
    by_name = {one.name: one for one in same.controls}
    assert set(by_name) == {"shuffled places", "other readers", "other readers, thinned"}
    assert all(one.is_worse and one.margin.low > 0.05 for one in same.controls)
    assert len(by_name["other readers"].each) == 32
    assert "fits worse: shuffled places, other readers, other readers, thinned" in same.verdict
    assert "not surely" not in same.verdict


def test_random_places_are_further_and_fit_no_better_than_their_control():
    found = fidelity.compare(elsewhere(OWN), HELD_OUT, **NO_READERS, **QUICK)
    (shuffled,) = found.controls
    assert found.distance.low > 0.1
    assert not shuffled.is_worse and shuffled.margin.low < 0 < shuffled.margin.high
    assert "does not surely fit worse: shuffled places" in found.verdict


def test_the_distance_grows_with_what_is_missing(same):
    half, few = (fidelity.compare(fewer(OWN, x), HELD_OUT, **NO_READERS, **QUICK) for x in (0.6, 0.2))
    assert same.distance.value < half.distance.value < few.distance.value
    assert half.differences["rates"][LONG].value < 0


def test_another_speaker_with_all_markers_is_a_control():
    other = elsewhere(HELD_OUT, seed=3)
    found = fidelity.compare(OWN, HELD_OUT, others={"a stranger": other}, **NO_READERS, **QUICK)
    assert found.controls[-1].name == "a stranger" and found.controls[-1].is_worse
    twin = fidelity.compare(OWN, HELD_OUT, others={"a twin": BOOK[9:27]}, **NO_READERS, **QUICK)
    assert not twin.controls[-1].is_worse


def test_pauses_are_held_against_pauses():
    longer = [replace(text, silences_s=tuple(s and s + 0.25 for s in text.silences_s)) for text in OWN]
    found = fidelity.compare(longer, HELD_OUT, **NO_READERS, **QUICK)
    assert found.pause_distance_s.value == pytest.approx(0.25, abs=1e-9)  # all of the book's are 0.4 s long
    assert found.answers.pause_median_s.value == pytest.approx(0.65)
    assert len(found.speaker.pauses_s) == sum(bool(s) for text in HELD_OUT for s in text.silences_s)


def test_one_answer_of_one_sentence_has_figures_without_intervals():
    found = fidelity.compare([style.of_marked(f"I {EMPH} never did.")], HELD_OUT, **QUICK)
    assert found.answers.rates[EMPH] == Estimate(pytest.approx(100 / 3))
    assert fidelity.compare(OWN, [style.of_marked("I did.")], **QUICK).controls[0].margin.low is None
    assert found.distance.value > 0 and found.distance.low is None
    assert not any(one.is_worse for one in found.controls)
    assert "[" not in found.verdict
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize(("answers", "held_out"), [([], HELD_OUT), (OWN, []), ([], []), ([Text((), (), ())], OWN)])
def test_nothing_to_compare(answers, held_out):
    found = fidelity.compare(answers, held_out, **QUICK)
    assert found.distance == found.pause_distance_s == Estimate(None)
    assert found.controls == ()
    assert "nothing to compare" in found.verdict
    json.dumps([found.as_json(), found.metrics()], allow_nan=False)


def test_the_same_seed_gives_the_same_figures():
    one, again, other = (fidelity.compare(fewer(OWN, 0.6), HELD_OUT, n_draws=60, seed=k) for k in (0, 0, 1))
    assert one.as_json() == again.as_json()
    assert one.distance != other.distance


def test_intervals_of_the_distance_hold_the_truth():
    """Two samples of one speaker are 0 apart; of a speaker and half of the markers, what very much text says."""
    book = style.of_dataset(rule_book(200, seed=5), split="train")
    rng, draw = np.random.default_rng(1), random.Random(1)

    def counted(texts):
        rows = style.table(texts)
        return controls.cells(rows, bootstrap.draw(rows.text, n_draws=100, rng=rng))

    for pool in (book, fewer(book, 0.5)):
        true, held = divergences(counted(pool)[0], counted(book)[0])[0], 0
        for _ in range(40):
            values = divergences(counted(draw.sample(pool, 12)), counted(draw.sample(book, 9)))[0]
            found = bootstrap.basic(values, level=0.95, enough=True)
            held += found.low - 1e-9 <= true <= found.high + 1e-9
        assert held >= 34


def test_rates_alone():
    found = fidelity.compare_rates(OWN, {LONG: 10.0}, **QUICK)
    rate = found.answers.rates[LONG]
    difference = found.differences["rates"][LONG]
    assert difference.value == pytest.approx(rate.value - 10)
    assert (difference.low, difference.high) == (pytest.approx(rate.low - 10), pytest.approx(rate.high - 10))
    assert found.speaker.n_words == 0 and not found.speaker.places


def test_metrics_of_a_run(same):
    metrics = same.metrics()
    low, high = metrics["style_distance_interval"]
    assert low <= metrics["style_distance"] <= high
    assert metrics["style_distance_control"]["shuffled places"] > metrics["style_distance"]
    assert metrics["style_words"]["held_out"] == sum(len(text.words) for text in HELD_OUT)


# --- controls -------------------------------------------------------------------------------------------------------


def test_shuffling_keeps_what_stands_in_the_slots_of_each_text():
    of = style.table([style.of_marked(f"Oh, {SHORT} we {EMPH} never."), style.of_marked(f"We {LONG} did.")])
    dealt = controls.shuffled(of, np.random.default_rng(0))
    for text in (0, 1):
        own = of.text == text
        assert sorted(dealt.outcome[own]) == sorted(of.outcome[own])
        assert dealt.tokens[own].sum(axis=0).tolist() == of.tokens[own].sum(axis=0).tolist()
    assert dealt.outcome[0] == 0  # no pause before the first word


def test_readers_are_counted_from_prominences_and_boundaries(tmp_path):
    path = tmp_path / "corpus.txt"
    lines = corpus(2, n_sentences=250).replace("river\t1\t0\t0.900\t0.000", "river\t1\t2\t0.900\t1.500")
    path.write_text(lines, encoding="utf-8")
    found = controls.reader_counts(bench.read(path))
    assert sorted(found) == ["10", "11"]
    counts = dict(zip(PLACES, found["10"].tolist(), strict=True))  # 250 times "we never saw the river."
    assert counts["opening a sentence"] == [0, 0, 249, 0]  # a boundary before it, but for the very first word
    assert counts["content word inside"] == [250, 250, 0, 0]  # "saw", and "never", of prominence 1.8
    assert counts["closing a statement"] == [250, 0, 0, 0]
    assert controls.reader_counts(bench.read(path)[:100]) == {}  # too few words


def test_shipped_readers_are_whole():
    found = controls.load_readers()
    assert len(found) == 32
    assert all(one.shape == (len(PLACES), 4) and one.sum() >= 1000 and one.min() >= 0 for one in found.values())


def test_thinning_takes_off_what_is_more_than_the_speakers():
    counts = np.array([[10.0, 30.0, 40.0, 20.0]])  # neither, <emph>, a pause, both
    speaker_counts = np.array([[60.0, 10.0, 20.0, 10.0]])  # 30 % pauses, 20 % emphases
    found = controls.thinned(counts, speaker_counts)
    assert found.sum() == pytest.approx(100, abs=1e-12)
    assert found[0, 2] + found[0, 3] == pytest.approx(30, abs=1e-12)
    assert found[0, 1] + found[0, 3] == pytest.approx(20, abs=1e-12)
    assert controls.thinned(speaker_counts, counts) == pytest.approx(speaker_counts, abs=1e-12)  # nothing is added


def test_pauses_of_either_length_are_one_shared_marker():
    text = style.of_marked(f"We {SHORT} saw {LONG} {EMPH} it <pitch_low> {EMPH} all here.")
    counts = np.zeros((len(PLACES), 30))
    of = style.table([text])
    np.add.at(counts, (of.place, of.outcome), 1)
    assert controls.shared(counts).sum(axis=0).tolist() == [2, 1, 1, 1]


# --- where it is used -------------------------------------------------------------------------------------------------


def test_answers_are_held_against_an_adapters_dataset(tmp_path):
    save_book(tmp_path / "dataset", rule_book(20, measured=True))
    words = rule_book(1, seed=9).segments[0].words
    spoken = SimpleNamespace(spoken=SimpleNamespace(words=words))
    written = SimpleNamespace(spoken=None, marked=SimpleNamespace(text=markers.parse(f"We {EMPH} never did it.")))
    found = speaker.style_of([spoken, written], {}, tmp_path / "dataset")
    assert (found.answers.n_words, found.speaker.n_words) == (len(words) + 4, 2 * len(words))
    assert found.learned.n_words == 18 * len(words)
    assert found.distance.value is not None


def test_the_benchmark_prints_a_table_and_writes_json(tmp_path, monkeypatch, capsys):
    save_book(tmp_path / "dataset", rule_book(12, measured=True))
    answers, out = tmp_path / "answers.txt", tmp_path / "out.json"
    answers.write_text(f"We saw the sea. {LONG} I {EMPH} never did.\n\nNot {EMPH} me.\n", encoding="utf-8")
    path = Path(__file__).parents[1] / "benchmarks" / "style.py"
    spec = importlib.util.spec_from_file_location("benchmark_style", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = ["--dataset", tmp_path / "dataset", "--answers", answers, "--other", tmp_path / "dataset", "--json", out]
    monkeypatch.setattr(sys, "argv", ["style", *map(str, names)])
    module.main()
    told = json.loads(out.read_text(encoding="utf-8"))
    assert (told["answers"]["n_texts"], told["answers"]["n_words"]) == (2, 9)
    assert [one["name"] for one in told["controls"]][-1] == "another speaker: a.wav"
    printed = capsys.readouterr().out
    assert told["verdict"] in printed and "<emph> in 100 words" in printed
