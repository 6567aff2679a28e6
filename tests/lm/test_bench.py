import json

import pytest

from prosody.cli import main
from prosody.errors import ProsodyError
from prosody.lm import bench
from prosody.lm.lora import LoraParameters
from prosody.lm.train import TrainParameters

TEXT = """<file>\t12_34_000001_000000.txt
Well\t0\t1\t0.128\t0.488
,\tNA\tNA\tNA\tNA
'JOLLY'\t2\t0\t2.454\t0.743
hide'll\tNA\tNA\tNA\tNA
do\t1\t2\t0.9\t2.0
.\tNA\tNA\tNA\tNA
<file>\t12_34_000002_000000.txt
So\t0\t0\t0.1\t0.0
<file>\t12_99_000001_000000.txt
it\t0\t0\t0.2\tNA
is\t0\t2\t0.3\t2.0
"""


def write(path, text=TEXT):
    path.write_text(text, encoding="utf-8")
    return path


def corpus(n_speakers, *, n_sentences=6):
    """A file in which "never" and "river" are always prominent, by several speakers."""
    lines = []
    for speaker in range(n_speakers):
        for k in range(n_sentences):
            lines.append(f"<file>\t{10 + speaker}_1_{k:06d}_000000.txt")
            for word, label in (("we", 0), ("never", 2), ("saw", 0), ("the", 0), ("river", 1)):
                lines.append(f"{word}\t{label}\t0\t{label * 0.9:.3f}\t0.000")
            lines.append(".\tNA\tNA\tNA\tNA")
    return "\n".join(lines) + "\n"


def test_a_file_is_read_with_its_punctuation_on_the_word_before(tmp_path):
    first, second, third = bench.read(write(tmp_path / "a.txt"))
    assert first.words == ("Well,", "'JOLLY'", "hide'll", "do.")
    assert first.prominence == (0, 2, None, 1)
    assert first.values[0].tolist() == pytest.approx([0.128, 0.488])
    assert (first.speaker, first.chapter, second.chapter) == ("12", ("12", "34"), ("12", "34"))
    assert third.chapter == ("12", "99")


def test_sentences_of_a_chapter_are_one_document(tmp_path, gpt2_tokenizer):
    corpus = bench.corpus_of(bench.read(write(tmp_path / "a.txt")), gpt2_tokenizer)
    assert corpus.documents == (0, 5)
    assert corpus.slots == ((), ("<pitch_high>",), None, ("<emph>",), (), (), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Well\t0\t0\t0.1\t0.2\n", "line 1: 'Well.t0.t0.t0.1.t0.2' is no line of the corpus"),
        (TEXT + "no tabs\n", "line 13: 'no tabs' is no line of the corpus"),
        (TEXT + "so\t3\t0\t0.1\t0.2\n", "line 13: prominence '3' is not 0, 1, 2 or NA"),
        (TEXT + "so\t1\t0\t-5\t0.2\n", "line 13: .*'-5'.* are no values of prominence and boundary"),
        (TEXT + "so\t1\t0\t0.2\t1e300\n", "line 13: .*'1e300'.* are no values of prominence and boundary"),
        (TEXT + "so\t1\t0\tx\t0.2\n", r"line 13: .*'x'.* are not numbers"),
        ("<file>\ta_b.txt\n", "holds no word with a prominence"),
        ("", "holds no word with a prominence"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(tmp_path, text, told):
    with pytest.raises(ProsodyError, match=told) as caught:
        bench.read(write(tmp_path / "a.txt", text))
    assert "\n" not in str(caught.value)
    assert "a.txt" in str(caught.value)


def test_scores():
    told = [[0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0.1, 0.3, 0.6], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]]
    found = bench.score(told, [0, 2, 1, 1, None])
    assert found == bench.Score(two_way=3 / 4, three_way=1 / 4, f1=pytest.approx(4 / 5), words=4)


def test_the_baseline_says_what_a_word_had_most_often(tmp_path):
    text = "<file>\t1_1_1\n" + "".join(f"{w}\t{y}\t0\t0\t0\n" for w, y in [("a", 0), ("A", 0), ("b", 2), ("b", 1)])
    shares = bench.most_frequent(bench.read(write(tmp_path / "a.txt", text + "c\t1\t0\t0\t0\nc\t0\t0\t0\t0\n")))
    assert max(range(3), key=lambda k: shares("a,")[k]) == 0
    assert shares("b")[0] < 0.01
    assert sum(shares("new")) == pytest.approx(1)
    assert shares("new") == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    assert shares("c")[0] == pytest.approx(0.5, abs=1e-3)


def test_no_speaker_is_in_two_parts(tmp_path):
    utterances = bench.read(write(tmp_path / "a.txt", corpus(7)))
    parts = bench.split_by_speaker(utterances, 3)
    assert sorted(s for part in parts for s in part) == sorted({u.speaker for u in utterances})
    assert sorted(map(len, parts)) == [2, 2, 3]
    assert parts == bench.split_by_speaker(utterances[::-1], 3)
    with pytest.raises(ProsodyError, match="splits: 8 parts of 7 speakers"):
        bench.split_by_speaker(utterances, 8)


def test_what_is_learned_is_told_on_other_speakers(tmp_path, tiny_folder):
    utterances = bench.read(write(tmp_path / "a.txt", corpus(6)))
    how = TrainParameters(
        epochs=8, window_words=20, learning_rate=1e-2, acoustic=1.0, precision="float32", device="cpu"
    )
    steps = []
    found = bench.run(
        [u for u in utterances if u.speaker != "15"],
        [u for u in utterances if u.speaker == "15"],
        base_model=str(tiny_folder),
        lora=LoraParameters(targets=("all-linear",)),
        parameters=how,
        on_step=steps.append,
    )
    assert found.ours.words == 30
    assert found.ours.two_way > 0.9
    assert found.baseline.three_way == 1.0
    assert list(found.by_speaker) == ["15"]
    assert found.measurements["prominence"]["error"] < found.measurements["prominence"]["error_of_median"]
    assert len(steps) == steps[-1].n_steps


def run_bench(capsys, *words):
    code = main(["bench", "text", *map(str, words), "-p", "epochs", "1", "-p", "precision", "float32"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_prints_every_speaker_and_the_mean(tmp_path, tiny_folder, capsys):
    data = write(tmp_path / "a.txt", corpus(4))
    code, out, err = run_bench(capsys, "--train", data, "--splits", 2, "--base-model", tiny_folder)
    assert code == 0, err
    for speaker in (10, 11, 12, 13):
        assert sum(line.startswith(f"speaker {speaker}") for line in out.splitlines()) == 1
    assert "mean of 2 parts" in out
    assert "three-way: " in out and "points above the most frequent label" in out


def test_the_command_gives_json(tmp_path, tiny_folder, capsys):
    data, other = write(tmp_path / "a.txt", corpus(3)), write(tmp_path / "b.txt", corpus(1))
    code, out, err = run_bench(capsys, "--train", data, "--test", other, "--base-model", tiny_folder, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["results"][0]["ours"]["words"] == 30
    assert told["parameters"]["epochs"] == 1
    assert told["seed"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-p", "colour", "red"], "colour: is no parameter of the training — use one of r, alpha"),
        (["-p", "epochs", "many"], "epochs: 'many' is no int — give one such as 1"),
        (["--splits", "9"], "splits: 9 parts of 2 speakers"),
        (["--splits", "2", "--only", "3"], "--only: there is no part 3 — give 1 to 2"),
        (["--splits", "0"], "splits: "),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(tmp_path, capsys, words, told):
    code = main(["bench", "text", "--train", str(write(tmp_path / "a.txt", corpus(2))), *words])
    err = capsys.readouterr().err
    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("label", "which"), [("0", "without prominence"), ("2", "prominent")])
def test_words_of_one_kind_teach_nothing(tmp_path, capsys, label, which):
    text = corpus(2).replace("\t0\t0\t", f"\t{label}\t0\t").replace("\t2\t0\t", f"\t{label}\t0\t")
    text = text.replace("\t1\t0\t", f"\t{label}\t0\t")
    assert main(["bench", "text", "--train", str(write(tmp_path / "a.txt", text)), "--splits", "2"]) == 2
    assert f"a.txt: all words to learn from are {which}: nothing to tell apart" in capsys.readouterr().err
