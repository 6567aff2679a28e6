"""The command line: `python -m prosody …`, and the script `prosody`.

Only the standard library here, so that it starts in a bare Python; what a command does is in `prosody.commands`.
JSON goes to stdout, messages to stderr. A user's mistake ends with exit code 2 and one line; Ctrl-C with 130.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from prosody import __version__
from prosody.errors import ProsodyError
from prosody.workflow import install

NOTHING, READY, MAKE = "nothing", "ready", "make"  # what a command needs: nothing, a set-up, or it sets up itself

_DESCRIPTION = """\
Teach a small language model how one person speaks, then let it mark and speak new answers.

  python -m prosody demo                       the whole workflow on the built-in corpus
  python -m prosody -i "Why walk?" -p "It clears the head." --speak answer.wav
  python -m prosody COMMAND --help             more about a command, with an example"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message} — `{self.prog} --help` shows how\n")
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _readable_streams()
    try:
        return _run(words)
    except ProsodyError as error:
        sys.stderr.write(f"prosody: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("prosody: interrupted\n")
        return 130
    except BrokenPipeError:  # whoever read our output has enough: `prosody runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(words: list[str]) -> int:
    if words[:1] == ["test"]:  # everything after it is pytest's
        arguments = argparse.Namespace(words=words[1:], run="test", needs=MAKE)
    else:
        parser = make_parser()
        arguments = parser.parse_args(words)
        if not hasattr(arguments, "run"):
            if arguments.question is None and not arguments.interactive:
                parser.print_help()
                return 0
            arguments.run, arguments.needs = "answer", READY
    if arguments.needs != NOTHING:
        code = install.enter(may_set_up=arguments.needs == MAKE)
        if code is not None:
            return code
    from prosody import commands

    code = getattr(commands, arguments.run)(arguments) or 0
    sys.stdout.flush()
    return code


def _readable_streams() -> None:
    """Text that the terminal cannot show must not end the program (Windows code pages)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(prog="prosody", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"prosody {__version__}")
    _answer_options(parser)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    _house_commands(commands)
    _stage_commands(commands)
    _speech_commands(commands)
    return parser


def _answer_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("answer a question")
    group.add_argument("-i", "--question", metavar="QUESTION", help="the question to answer")
    group.add_argument("-p", "--points", metavar="POINT", nargs="+", default=[], help="the points the answer makes")
    group.add_argument("--interactive", action="store_true", help="ask for question and points, again and again")
    group.add_argument("--speak", metavar="OUT.wav", help="speak the answer into this file")
    _adapter_option(group)
    _json_option(group)


def _house_commands(commands: argparse._SubParsersAction) -> None:
    purpose = "install everything into .venv (or the active conda environment)"
    setup = _command(commands, "setup", purpose, needs=NOTHING)
    purpose = "take torch from this package index, for another build than its default"
    setup.add_argument("--torch-index", metavar="URL", help=purpose)
    demo = _command(commands, "demo", "run the whole workflow on the built-in corpus", "demo epochs=2", needs=MAKE)
    _parameter_options(demo)
    purpose = "run the tests (--slow: those left out by default; --all; the rest is pytest's)"
    _command(commands, "test", purpose, "test -x", needs=MAKE)
    lab = _command(commands, "lab", "open JupyterLab on the notebooks", "lab --no-browser", needs=MAKE)
    lab.add_argument("words", nargs=argparse.REMAINDER, metavar="…", help="options for JupyterLab")
    _command(commands, "lint", "check the code with ruff, and that notebooks are stored without outputs", needs=MAKE)
    _command(commands, "lock", "resolve the requirements anew, with uv", needs=NOTHING)
    runs = _command(commands, "runs", "list the recorded runs", "runs --json")
    _json_option(runs)
    _command(commands, "clean", "remove caches and what was built; runs and .venv stay", needs=NOTHING)


def _stage_commands(commands: argparse._SubParsersAction) -> None:
    for name, purpose, example in (
        ("segment", "cut a recording into segments, align its transcript", "segment audio=talk.wav transcript=talk.txt"),
        ("prepare", "measure the words and write the dataset", "prepare"),
        ("train", "fine-tune the base model on the marked text", "train epochs=5 base_model=gpt2"),
        ("generate", "compose, mark and speak an answer", "generate seed=3"),
    ):
        stage = _command(commands, name, purpose, example, run="stage", needs=MAKE)
        stage.set_defaults(stage=name)
        _parameter_options(stage)
    example = "run notebooks/01_segment.ipynb -p audio talk.wav"
    run = _command(commands, "run", "run any notebook, recorded", example, needs=MAKE)
    run.add_argument("notebook", metavar="NOTEBOOK")
    _parameter_options(run)


def _speech_commands(commands: argparse._SubParsersAction) -> None:
    sample = _command(commands, "sample", "write the built-in corpus: audio, transcript, truth", "sample corpus")
    sample.add_argument("folder", metavar="DIR")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--answers", type=int, metavar="N", help="only the first N answers")
    sample.add_argument("--overwrite", action="store_true", help="replace the files of an earlier one")
    check = _command(commands, "check", "look at a recording and its transcript", "check talk.wav talk.txt")
    align = _command(commands, "align", "find the time of every word", "align talk.wav talk.txt --json")
    detect = _command(commands, "detect", "hear the markers in speech", "detect talk.wav talk.txt --json")
    listen = _command(commands, "listen", "how many written markers are heard", "listen answer.wav answer.txt --json")
    for command in (check, align, detect, listen):
        command.add_argument("audio", metavar="AUDIO", help="WAV, FLAC, OGG or MP3")
    check.add_argument("text", metavar="TRANSCRIPT", help="a text file")
    for command in (align, detect, listen):
        command.add_argument("text", metavar="TEXT", help="a text file, or the text itself")
        _json_option(command)
    mark = _command(commands, "mark", "place markers in plain text", 'mark "That was the real surprise."')
    mark.add_argument("text", metavar="TEXT|FILE|-", help="the text, a text file, or - for stdin")
    _adapter_option(mark)
    speak = _command(commands, "speak", "speak marked text", 'speak "That was <emph>it." -o it.wav')
    speak.add_argument("text", metavar="TEXT", help="marked text, or a text file")
    speak.add_argument("-o", "--out", metavar="OUT.wav", required=True)
    speak.add_argument("--plain", action="store_true", help="leave the markers unspoken")
    speak.add_argument("--seed", type=int, default=0)
    speak.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    _json_option(speak)


def _command(
    commands: argparse._SubParsersAction,
    name: str,
    purpose: str,
    example: str | None = None,
    *,
    run: str | None = None,
    needs: str = READY,
) -> argparse.ArgumentParser:
    """Add a command; its handler is the function of that name in `prosody.commands`."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example: python -m prosody {example or name}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run or name, needs=needs)
    return parser


def _parameter_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="NAME=VALUE", help="parameters of the notebook")
    parser.add_argument("-p", dest="pairs", nargs=2, action="append", metavar=("NAME", "VALUE"), help="one parameter")


def _json_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _adapter_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--adapter", metavar="DIR", help="the adapter's folder (default: the latest ok train run's)")

