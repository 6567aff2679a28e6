"""What every test of the package shares."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.append(str(Path(__file__).parent))  # for error_lines, made_runs; one folder's helpers: pyproject.toml

settings.register_profile("shared_machine", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("shared_machine")
