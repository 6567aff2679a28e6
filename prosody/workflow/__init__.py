"""Set-up, runs and their records. A notebook needs one line of it: `run = workflow.stage("segment", globals())`."""

from prosody.workflow.record import root
from prosody.workflow.stages import Stage, stage

__all__ = ["Stage", "root", "stage"]
