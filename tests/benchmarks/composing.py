"""Are all points taken up, and are the sentences around them still sentences?

    .venv/bin/python tests/benchmarks/composing.py [--base-model MODEL] [--only N] [--seed S] [--show] [--json OUT.json]

30 questions with three points each (questions.json) are answered by a base model in four ways: built around the points
or left free, through its chat template or a plain prompt (as for GPT-2). Fluency is the mean negative log likelihood
of the answer's tokens after the bare question under the same base, whose exponential is the perplexity; beside it stand
free text of the same model and the trivial way to take up all points: each read out as a sentence. Answers done are
kept in the JSON, so that a second call goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from prosody import files
from prosody.lm import answer
from prosody.lm.base import BUILT_IN, Base, load_base
from prosody.lm.decode import Decoder
from prosody.lm.phrase import covers

WAYS = {
    "anchored, chat": ("anchored", True),
    "free, chat": ("free", True),
    "anchored, plain prompt": ("anchored", False),
    "free, plain prompt": ("free", False),
}
READ_OUT = "points read out"


def plain_prompt(base: Base) -> Base:
    """The base without its chat template."""
    tokenizer = copy.copy(base.tokenizer)
    tokenizer.chat_template = None
    return replace(base, tokenizer=tokenizer)


def nats(base: Base, question: str, text: str) -> float:
    """Mean negative log likelihood of the tokens of `text`, said in answer to `question`."""
    decoder = Decoder(base.model, base.tokenizer)
    decoder.read(answer.prompt(question, (), base, answer.ComposeParameters()))
    logprobs = decoder.score([f" {text}"])[0]
    return -sum(logprobs) / len(logprobs)


def answered(base: Base, asked: dict[str, Any], way: str, seed: int) -> dict[str, Any]:
    """One answer and its figures."""
    if way == READ_OUT:
        text = " ".join(f"{p[0].upper()}{p[1:]}." for p in asked["points"])
        seconds = 0.0
    else:
        mode, chat = WAYS[way]
        how = answer.ComposeParameters(mode=mode, seed=seed)
        begun = time.perf_counter()
        text = answer.compose(asked["question"], asked["points"], base if chat else plain_prompt(base), how).text
        seconds = time.perf_counter() - begun
    return {
        "way": way,
        "question": asked["question"],
        "text": text,
        "covered": [covers(text, p) for p in asked["points"]],
        "words": len(text.split()),
        "nats": nats(base, asked["question"], text),
        "seconds": seconds,
    }


def table(found: list[dict[str, Any]]) -> str:
    """A row a way."""
    rows = [f"{'':24}{'answers':>8}{'points':>8}{'taken up':>10}{'words':>7}{'nats/token':>12}{'s':>7}"]
    for way in (*WAYS, READ_OUT):
        own = [one for one in found if one["way"] == way]
        if own:
            points = [yes for one in own for yes in one["covered"]]
            mean, middle = statistics.mean, statistics.median
            rows.append(
                f"{way:24}{len(own):8}{len(points):8}{sum(points) / len(points):10.1%}"
                f"{mean(one['words'] for one in own):7.0f}{mean(one['nats'] for one in own):12.2f}"
                f"{middle(one['seconds'] for one in own):7.1f}"
            )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default=BUILT_IN)
    parser.add_argument("--only", type=int, metavar="N", help="the first N questions")
    parser.add_argument("--ways", nargs="+", choices=(*WAYS, READ_OUT), default=(*WAYS, READ_OUT))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every answer")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="figures; a file that is there is gone on with")
    arguments = parser.parse_args()
    questions = json.loads(Path(__file__).with_name("questions.json").read_text(encoding="utf-8"))[: arguments.only]
    base = load_base(arguments.base_model)
    base.model.eval()
    found: list[dict[str, Any]] = []
    if arguments.json and arguments.json.exists():
        found = json.loads(arguments.json.read_text(encoding="utf-8"))
    done = {(one["way"], one["question"]) for one in found}
    todo = [(way, asked) for way in arguments.ways for asked in questions if (way, asked["question"]) not in done]
    for way, asked in tqdm(todo, unit="answer", disable=None):
        found.append(answered(base, asked, way, arguments.seed))
        if arguments.json:
            files.write_json(arguments.json, found, overwrite=True)
    if arguments.show:
        print("\n\n".join(f"{one['way']}: {one['question']}\n{one['text']}" for one in found), end="\n\n")
    print(table(found))


if __name__ == "__main__":
    main()
