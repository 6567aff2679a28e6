"""What every test of the package shares."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.append(str(Path(__file__).parent))  # for error_lines; the helpers of one folder are named in pyproject.toml

settings.register_profile("shared_machine", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("shared_machine")
