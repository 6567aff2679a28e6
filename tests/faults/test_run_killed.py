"""However a run dies, its record tells the truth when somebody next looks, and nothing that it started lives on.

PROSODY_DEATHS sets how many deaths of each kind there are; few by default, since each costs a start.
"""

import os
import random

import pytest
from deaths import KINDS, die

DEATHS = int(os.environ.get("PROSODY_DEATHS", "2"))

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="kills by signal")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_true_after_any_death(tmp_path, kind):
    rng = random.Random(kind)
    for n in range(DEATHS):
        death = die(tmp_path / str(n), kind, rng)
        assert death.is_true, f"{death.why}, killed after {death.at_s:.2f} s: {death.told}"
        assert death.orphans == 0, f"{death.orphans} processes live on, killed after {death.at_s:.2f} s"
