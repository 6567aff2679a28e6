"""What the tests of `prosody.speech` share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def shared():
    """The folder of real recordings beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data, the real recordings, is not there")
    return SHARED
