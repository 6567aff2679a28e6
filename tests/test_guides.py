"""The guides: which there are, and that every link in them and in the README leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDES = ROOT / "notebooks" / "guides"
PAGES = [ROOT / "README.md", *sorted(GUIDES.glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: str) -> set[str]:
    """The names that the headings of a page can be linked by."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path, page: str) -> list[str]:
    """The links of a page to files that are not there, or to headings that no page has."""
    found = []
    for link in LINK.findall(page):
        name, _, anchor = link.partition("#")
        target = path if not name else path.parent / name
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(link)
    return found


def test_there_are_three_guides():
    names = sorted(path.name for path in GUIDES.iterdir())
    assert names == ["01_Quick_Start.md", "02_Fine_Tuning_LoRA.md", "03_Troubleshooting.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    assert broken(path, path.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_is_found():
    page = "[a](#1-two-commands) [b](#there) [c](no_such.md) [d](02_Fine_Tuning_LoRA.md#what-we-tried) ![e](no.png)"
    assert broken(GUIDES / "01_Quick_Start.md", page) == ["#there", "no_such.md", "no.png"]
