"""The command line: `python -m prosody …`, and the script `prosody`.

Only the standard library here, so that it starts in a bare Python; what a command does is in `prosody.commands`.
JSON goes to stdout, messages to stderr. A user's mistake ends with exit code 2 and one line; Ctrl-C with 130; a check
that fails (`listen --min-survival`) with 1.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from prosody import __version__
from prosody.commands import again, cluster, comparing, marking, records, sweeping, tensorboard
from prosody.program import Parser, exit_code
from prosody.workflow import install

NOTHING, READY, MAKE = "nothing", "ready", "make"  # what a command needs: nothing, a set-up, or it sets up itself

# name, the module of `prosody.commands` with its function, what it needs, what it does, an example
_COMMANDS = (
    ("demo", "runs", MAKE, "run the whole workflow on the built-in corpus", "demo epochs=2"),
    ("lesson", "runs", MAKE, "ten minutes for a class: the workflow on half the corpus", "lesson epochs=3"),
    ("segment", "runs", MAKE, "cut a recording into segments, align its words", "segment audio=a.wav transcript=a.txt"),
    ("prepare", "runs", MAKE, "measure the words and write the dataset", "prepare"),
    ("train", "runs", MAKE, "fine-tune the base model on the marked text", "train epochs=5 base_model=gpt2"),
    ("generate", "runs", MAKE, "compose, mark and speak an answer", "generate seed=3"),
    ("run", "runs", MAKE, "run any notebook, recorded", "run notebooks/01_segment.ipynb -p max_segment_s 10"),
    ("runs", "records", READY, "list the recorded runs; choose, show, export, remove", "runs --json"),
    ("sweep", "sweeping", MAKE, "run a notebook for each point of a grid, and compare", "sweep notebooks/sweep.yaml"),
    ("rerun", "again", READY, "make a run again in the code it ran, and compare", "rerun train --verify"),
    ("diff", "comparing", READY, "compare two runs", "diff 20261127T063807Z-b7f145 latest -o diff.html"),
    ("tensorboard", "tensorboard", READY, "watch trainings in TensorBoard, on this machine", "tensorboard --port 6010"),
    ("report", "report", READY, "write a run as one page with its figures and sounds", "report latest -o run.html"),
    ("lab", "house", MAKE, "open JupyterLab on the notebooks (--lesson; others are JupyterLab's)", "lab --no-browser"),
    ("sample", "speech", READY, "write the built-in corpus: audio, transcript, truth, questions", "sample corpus"),
    ("check", "speech", READY, "look at a recording and its transcript before any work", "check talk.wav talk.txt"),
    ("pauses", "speech", READY, "list segments and pauses; hours of audio take seconds", "pauses talk.wav --json"),
    ("align", "speech", READY, "find the time of every word", "align talk.wav talk.txt --json"),
    ("detect", "speech", READY, "hear the markers in speech", "detect talk.wav talk.txt --json"),
    ("corpus", "corpus", READY, "hear a folder of recordings, with a profile a speaker", "corpus talks -o heard"),
    ("calibrate", "corpus", READY, "fit the thresholds to whoever marked a dataset", "calibrate latest -o mine.json"),
    ("export", "interchange", READY, "write a dataset for Praat, ELAN, a spreadsheet", "export latest -o a.TextGrid"),
    ("import", "interchange", READY, "take edits made elsewhere into a copy", "import latest talk.TextGrid -o mine"),
    ("listen", "speech", READY, "tell how many written markers are heard", "listen it.wav it.txt --min-survival 0.9"),
    ("speak", "speech", READY, "speak marked text", 'speak "That was <emph>it." -o it.wav'),
    ("estimate", "training", READY, "tell what a training will cost", "estimate latest --card rtx4050 -p batch_size 8"),
    ("mark", "text", READY, "place markers in plain text", 'mark "That was the real surprise."'),
    ("markup", "markup", READY, "write marked text as SSML or another markup", 'markup "So <emph>it is." --to ssml'),
    ("merge", "text", READY, "write adapter and base as one stand-alone model", "merge -o my_model"),
    ("bench", "bench", READY, "train and score on a public corpus", "bench text --train dev.txt --test test.txt"),
    ("setup", "house", NOTHING, "install everything into .venv (or the active conda environment)", "setup"),
    ("test", "house", MAKE, "run the tests (--slow: those left out by default; --all; others are pytest's)", "test -x"),
    ("lint", "house", MAKE, "check the code, and that notebooks are stored without outputs", "lint"),
    ("hooks", "house", READY, "let git strip, show and merge notebooks by cell, in this clone", "hooks --off"),
    ("lock", "house", NOTHING, "resolve the requirements anew, with the program uv", "lock"),
    ("clean", "house", NOTHING, "remove caches and what was built; runs and .venv stay", "clean"),
)

_RUN_NOTEBOOKS = ("demo", "lesson", "segment", "prepare", "train", "generate", "run")

# commands whose module declares its options itself
_OPTIONS = {
    "rerun": again.add_options,
    "sweep": sweeping.add_options,
    "diff": comparing.add_options,
    "runs": records.add_options,
    "tensorboard": tensorboard.add_options,
}

_TELL_JSON = (
    "rerun",
    "report",
    "pauses",
    "align",
    "detect",
    "corpus",
    "calibrate",
    "listen",
    "speak",
    "bench",
    "estimate",
)

_DESCRIPTION = """\
Teach a small language model how one person speaks, then let it mark and speak new answers.

  python -m prosody demo                       the whole workflow on the built-in corpus
  python -m prosody -i "Why walk?" -p "It clears the head." --speak answer.wav
  python -m prosody COMMAND --help             more about a command, with an example"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_code(lambda: _run(words))


def _run(words: list[str]) -> int:
    if words[:1] in (["test"], ["lab"]) and not {"-h", "--help"} & set(words):
        arguments = argparse.Namespace(command=words[0], words=words[1:])  # the rest is pytest's, or JupyterLab's
    else:
        parser = make_parser(helped=words[0] if {"-h", "--help"} & set(words[1:]) else None)
        arguments = parser.parse_args(words)
        if arguments.command is not None and words[0] != arguments.command:
            parser.error(f"{words[0]} stands before the command {arguments.command}: its options go behind it")
        given = (arguments.question, arguments.text)
        if arguments.command is None and given == (None, None) and not arguments.interactive:
            if words:
                parser.error("there is no question: give one with -i, or --interactive")
            parser.print_help()
            return 0
    needs = {name: (module, needed) for name, module, needed, *_ in _COMMANDS} | {None: ("answer", READY)}
    module, needed = needs[arguments.command]
    if needed != NOTHING:
        code = install.enter(may_set_up=needed == MAKE)
        if code is not None:
            return code
    name = {None: "answer", "import": "import_"}.get(arguments.command, arguments.command)
    function = getattr(importlib.import_module(f"prosody.commands.{module}"), name)
    code = function(arguments) or 0
    sys.stdout.flush()
    return code


def make_parser(*, helped: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line. helped: the command whose notebook's parameters its help is to list."""
    parser = Parser(prog="prosody", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"prosody {__version__}")
    _answer_options(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    for name, _, _, purpose, example in _COMMANDS:
        command = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            epilog=(_notebook_parameters(name) if name == helped else "") + f"example: python -m prosody {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_options(name, command)
    return parser


def _answer_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("answer a question")
    add = group.add_argument
    add("-i", "--question", metavar="QUESTION", help="the question to answer")
    add("-p", "--points", metavar="POINT", nargs="+", default=[], help="the points the answer makes")
    add("--text", metavar="FILE", help="mark these words of your own; nothing is composed")
    add("--interactive", action="store_true", help="ask for question and points, again and again (:help tells more)")
    add("--speak", metavar="OUT.wav", help="speak the answer into this file")
    add("--engine", metavar="NAME", default="hibari", help="the voice: hibari (default) or espeak")
    add("--contour", action="store_true", help="between markers, follow the pitch and loudness expected of the speaker")
    add("--overwrite", action="store_true", help="replace that file if it is there")
    add("--max-words", type=int, default=70, metavar="N", help="about how long, once the points are said (default: 70)")
    add("--seed", type=int, default=0, help="another seed, another answer (default: 0)")
    add("--composer", metavar="MODEL", help="a larger instruct model that composes: a folder or a hub id")
    add("--free", action="store_true", help="let the model say what it likes, and tell which points it left out")
    marking.add_placing_options(group)
    _adapter_option(group)
    _json_option(group)


def _add_options(name: str, command: argparse.ArgumentParser) -> None:
    """A command's own arguments and options."""
    add = command.add_argument
    if name in _RUN_NOTEBOOKS:
        _running_options(name, command)
    if name == "setup":
        add("--torch-index", metavar="URL", help="take torch from this package index, for another build of it")
    if name in ("report", "hooks"):
        _keeping_options(name, command)
    if name == "sample":
        add("folder", metavar="DIR")
        add("--answers", type=int, metavar="N", help="only the first N answers")
    if name in ("check", "pauses", "align", "detect", "listen"):
        add("audio", metavar="AUDIO", help="WAV, FLAC, OGG or MP3")
    if name == "check":
        add("text", metavar="TRANSCRIPT", help="a text file or TextGrid")
    if name in ("align", "detect", "listen", "speak", "mark"):
        add("text", metavar="TEXT", help="a text file or TextGrid, the text itself, or - for stdin")
    if name == "markup":
        _markup_options(command)
    if name == "corpus":
        add("folder", metavar="FOLDER", help="pairs of one name, as anna/monday.wav and .txt; speakers by sub-folder")
        add("-o", "--out", metavar="OUT", required=True, help="the folder of the results")
        cluster.add_options(command)
        add("--datasets", action="store_true", help="make a dataset of each speaker too, in OUT/datasets")
    if name == "calibrate":
        add("dataset", metavar="DATASET|RUN", help="a dataset's folder, or a run of prepare: its id, or latest")
        add("-o", "--out", metavar="FILE.json", help="write the thresholds there, for --parameters")
    if name in ("corpus", "detect"):
        add("--parameters", metavar="FILE.json", help="thresholds, as `calibrate` writes them")
    if name in ("sample", "speak", "listen"):
        _voice_options(name, command)
    if name in ("export", "import"):
        _interchange_options(name, command)
    if name in ("sample", "speak", "calibrate", "export", "merge", "mark", "markup"):
        add("--overwrite", action="store_true", help="replace what is there")
    if name == "estimate":
        add("dataset", metavar="DATASET|RUN", nargs="?", default="latest", help="a dataset, or a prepare run (latest)")
        add("--card", default="", help="also for this GPU: rtx4050, or as GB,GB/s,TFLOPS: 6,192,21")
    if name in ("estimate", "bench"):
        add("-p", dest="pairs", nargs=2, action="append", metavar=("NAME", "VALUE"), help="a parameter, as epochs 2")
        add("--base-model", default="smollm2-135m", metavar="NAME", help="built in, or gpt2, any hub id, or a folder")
    if name == "merge":
        add("-o", "--out", metavar="DIR", required=True, help="the model's folder")
    if name == "mark":
        add("-o", "--out", metavar="FILE", help="write it there, as UTF-8 (default: stdout)")
        marking.add_options(command)
    if name in ("mark", "merge"):
        _adapter_option(command)
    if name == "bench":
        _bench_options(command)
    if name in _OPTIONS:
        _OPTIONS[name](command)
    if name in _TELL_JSON:
        _json_option(command)


def _running_options(name: str, command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    if name == "run":
        add("notebook", metavar="NOTEBOOK")
    add("words", nargs="*", metavar="NAME=VALUE", help="parameters of the notebook")
    add("-p", dest="pairs", nargs=2, action="append", metavar=("NAME", "VALUE"), help="one parameter")
    if name != "lesson":
        add("--force", action="store_true", help="run it, though an earlier run has the same code, data and parameters")
    if name not in ("demo", "lesson"):
        add("--time-limit", metavar="TIME", help="interrupt it after so long: 90 (seconds), 45m, 2h")


def _keeping_options(name: str, command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    if name == "report":
        add("run", metavar="RUN", help="a run's id or the start of it, its folder, a stage for its latest, or latest")
        add("-o", "--out", metavar="FILE.html", help="write it there (default: report.html in the run's folder)")
    else:
        add("--off", action="store_true", help="take it back")


def _voice_options(name: str, command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    if name == "speak":
        add("-o", "--out", metavar="OUT.wav", required=True, help="the words' times are written to OUT.words.json")
        add("--engine", metavar="NAME", default="hibari", help="hibari (built in), or espeak, which heeds no seed")
        add("--plain", action="store_true", help="leave the markers unspoken")
    if name == "listen":
        beside = command.add_mutually_exclusive_group()
        beside.add_argument("--against", metavar="PLAIN", help="tell effects against this recording without markers")
        beside.add_argument("--engine", metavar="NAME", help="… against what this engine (hibari) speaks without them")
        add("--min-survival", metavar="S", help="exit with 1 if less than this share (0 to 1) of any marker is heard")
    add("--seed", type=int, default=0)


def _markup_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("text", metavar="TEXT", nargs="?", help="a text file or TextGrid, the text itself, or - for stdin")
    add("--to", metavar="TARGET", help="ssml, azure, google, polly-neural, polly-standard, espeak, elevenlabs, …")
    add("--from", dest="source", choices=("ssml",), help="TEXT is SSML: write it as marked text, or for --to")
    add("-o", "--out", metavar="FILE", help="write it there, as UTF-8 (default: stdout)")
    add("--report", action="store_true", help="tell every place that the target cannot honour, and why")
    add("--capabilities", action="store_true", help="show what the targets (or --to alone) can do with each marker")
    add("--lang", default="en-US", metavar="TAG", help="language of the text (default: en-US)")
    add("--voice", metavar="NAME", help="the voice, where the markup names one (azure)")
    _json_option(command)


def _interchange_options(name: str, command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    if name == "export":
        add("source", metavar="SOURCE", help="a dataset, a run of prepare (id, or latest), or a recording with TEXT")
        add("text", metavar="TEXT", nargs="?", help="what is said in the recording; it is heard first")
        add("-o", "--out", metavar="OUT", required=True, help="a name that ends in .TextGrid or .csv")
        add("--form", choices=("long", "short"), default="long", help="of a TextGrid (default: long)")
        add("--encoding", choices=("utf-8", "utf-16"), default="utf-8", help="default: utf-8")
    else:
        add("dataset", metavar="DATASET", help="what was exported: a dataset, or a run of prepare (its id, or latest)")
        add("file", metavar="FILE", help="the edited .TextGrid or .csv")
        add("-o", "--out", metavar="DIR", help="folder of the new dataset (default: FILE_dataset beside the file)")
        add("--tier", metavar="NAME", help="the tier of words, if it is not “words”")
        add("--by", metavar="NAME", help="who reviewed it (default: the file's name)")
        add("--all-reviewed", action="store_true", help="segments without an edit were looked at too, and are right")
    add("--audio", metavar="AUDIO", help="the dataset's recording (of several: their folder), if not found")


def _bench_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "what", choices=("text",), help="text: prominence told from text alone, on files of the Helsinki Prosody Corpus"
    )
    add("--train", metavar="FILE", required=True, help="what is learned from")
    add("--test", metavar="FILE", help="what is scored (default: parts of --train that are split by speaker)")
    add("--splits", type=int, default=5, metavar="N", help="without --test: how many parts, each held out once (5)")
    add("--only", type=int, metavar="K", help="of these parts only the Kth")
    add("--seed", type=int, default=0, help="one seed a run (default: 0)")


def _notebook_parameters(stage: str) -> str:
    """The parameters of a stage's notebook, a line each, with defaults and meaning; nothing where there are none."""
    from prosody.workflow import notebooks, parameters

    if stage not in notebooks.NOTEBOOKS:
        return ""
    known = parameters.of_notebook(notebooks.notebook_of(stage))
    return "".join(["parameters:\n", *(f"  {p.name}={p.default}\n      {p.comment}\n" for p in known), "\n"])


def _json_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _adapter_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--adapter", metavar="DIR", help="the adapter's folder (default: the latest ok train run's)")
