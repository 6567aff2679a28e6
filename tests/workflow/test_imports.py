"""What an import is spared, in a process of its own: here everything may have been imported before."""

import subprocess
import sys

SPARED = """\
import sys
from prosody.workflow.imports import without_grammar_of_urls
with without_grammar_of_urls():
    import nbformat, papermill, nbdime
assert "rfc3987_syntax" not in sys.modules and "lark" not in sys.modules
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")])
nbformat.validate(notebook)
notebook.cells[0].cell_type = "sound"
try:
    nbformat.validate(notebook)
except nbformat.ValidationError:
    print("still checked")
import rfc3987_syntax
with without_grammar_of_urls():
    assert sys.modules["rfc3987_syntax"] is rfc3987_syntax
"""


def test_papermill_comes_without_the_grammar_of_urls_and_notebooks_are_checked_all_the_same():
    done = subprocess.run([sys.executable, "-c", SPARED], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "still checked\n"), done.stderr
