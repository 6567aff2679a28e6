"""Who may import whom, what a part may bring in, and how long modules and functions get. Read from the source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "prosody"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = (
    {"errors", "files", "program"},
    {"markers"},
    {"dataset", "dataset_check"},
    {"interchange"},
    {"speech", "lm", "voice"},
    {"review"},
    {"notebook", "workflow", "sample"},
    {"report"},
    {"cli", "commands", "__main__"},
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
BESIDE = {  # the only imports between parts of one layer
    ("files", "errors"),
    ("program", "errors"),
    ("dataset", "dataset_check"),
    ("dataset_check", "dataset"),
    ("cli", "commands"),
    ("__main__", "cli"),
}
ONLY_IN = {
    "torch": {"lm"},
    "transformers": {"lm"},
    "peft": {"lm"},
    "plotly": {"notebook"},
    "ipywidgets": {"notebook"},
    "anywidget": {"notebook"},
    "IPython": {"notebook"},
    "mistune": {"report"},
    "bleach": {"report"},
    "onnxruntime": {"speech", "voice"},
    "swift_f0": {"speech", "voice"},
    "pocketsphinx": {"speech", "voice"},
    "hibari": {"speech", "voice"},
}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which part is meant"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from names if node.module == "prosody" else [node.module]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_part_has_its_layer():
    assert {part_of(path) for path in MODULES} - {"__init__"} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_parts_import_only_what_lies_below_them(path):
    part = part_of(path)
    for name in imported(path):
        top, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if top != "prosody" or other in ("", "__version__", part) or (part, other) in BESIDE:
            continue
        if other == "speech" and path == PACKAGE / "voice" / "listen.py":  # the one who listens
            continue
        assert RANK[other] < RANK[part], f"{part} may not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_packages_stay_in_their_part(path):
    for name in imported(path):
        allowed = ONLY_IN.get(name.partition(".")[0])
        assert allowed is None or part_of(path) in allowed, f"{name} belongs in {allowed}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_and_functions_stay_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < 60, node.name


def test_importing_the_package_needs_nothing_but_the_standard_library():
    code = "import prosody, prosody.markers, prosody.dataset, prosody.cli"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # -S: nothing that was installed can be found


def test_no_page_has_a_gap_to_fill():
    pages = [path for path in ROOT.rglob("*.md") if not {".venv", "runs"} & set(path.relative_to(ROOT).parts)]
    assert pages
    assert [path for path in pages if re.search(r"@[A-Z]{3,}@", path.read_text(encoding="utf-8"))] == []
