"""One page that holds everything: style, scripts, figures, sounds. It opens from a folder, and fetches nothing.

Its Content-Security-Policy lets only the scripts run that were written here, each known by its hash, and nothing be
fetched; so even what slipped through as HTML could do no harm.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from prosody import __version__
from prosody.report.cells import Figures
from prosody.report.tables import escaped

_MARK_WITHIN = 2000  # bytes of a page


def document(*, title: str, mark: str, header: str, main: str, footer: str, figures: Figures, style: str = "") -> str:
    """A whole page. title, mark, footer: plain text; header, main: harmless HTML; figures: what stands in them.

    mark: what the page is of, by which it is known again (`has_mark`). style: CSS of its own, after the common one.
    """
    from prosody.notebook.look import plotly_script

    own = {name: (resources.files("prosody.report") / name).read_text("utf-8") for name in ("report.css", "report.js")}
    scripts = [plotly_script(), own["report.js"]] if figures.data else []
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    data = f'<script type="application/json" id="figures">{figures.script_data()}</script>' if figures.data else ""
    needs = "<noscript><p>The figures on this page need JavaScript.</p></noscript>" if figures.data else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{_mark(mark)}
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{escaped(title)} · Janus Prosody</title>
<style>{own["report.css"]}{style}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>{header}{needs}</header>
<main id="main">
{main}
</main>
<footer><p>{escaped(footer)} by Janus Prosody {escaped(__version__)}; all of it is in this file.</p></footer>
{data}
{"".join(f"<script>{script}</script>" for script in scripts)}
</body>
</html>
"""


def sections(parts: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    """Sections (id, title, HTML) as a list of links to them, and as HTML; those without anything are left out."""
    parts = [part for part in parts if part[2]]
    body = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-head"><h2 id="{name}-head">{title}</h2>\n{inner}\n</section>'
        for name, title, inner in parts
    )
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in parts)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>', body


def trouble_html(trouble: Sequence[str]) -> str:
    """What is missing or damaged, a line each; "" if nothing is."""
    if not trouble:
        return ""
    lines = "".join(f"<li>{escaped(line)}</li>" for line in trouble)
    head = '<h2 id="trouble-head">Missing or damaged</h2>'
    return f'<section class="trouble" aria-labelledby="trouble-head">{head}<ul>{lines}</ul></section>\n'


def has_mark(path: Path, mark: str) -> bool:
    """Is this file a page with that mark?"""
    try:
        with open(path, "rb") as file:
            return _mark(mark).encode("utf-8", "replace") in file.read(_MARK_WITHIN)
    except (OSError, ValueError):
        return False


def _mark(mark: str) -> str:
    return f'<meta name="generator" content="Janus Prosody: {escaped(mark)}">'


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
