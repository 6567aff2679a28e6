"""The door to all that notebooks show: `from prosody.notebook import plots`.

Each figure function returns a plotly figure with transparent ground and mid-tone text, for light pages and dark ones.
Curves are thinned before they go into a figure, so that a saved notebook stays small.
"""

from prosody.notebook.card import profile_card
from prosody.notebook.charts import loss_curve, marker_counts, segment_lengths, support_chart
from prosody.notebook.density import marker_density
from prosody.notebook.lineage import lineage
from prosody.notebook.lora_pictures import change_by_layer, lora_picture, rows_moved
from prosody.notebook.recording import recording_overview
from prosody.notebook.segment import segment_view
from prosody.notebook.show import marked_ansi, marked_html, side_by_side
from prosody.notebook.spectrogram import spectrogram
from prosody.notebook.style_fidelity import style_fidelity
from prosody.notebook.survival import survival_figure, survival_table
from prosody.notebook.tables import (
    agreement_table,
    doubtful_table,
    measurements_table,
    points_table,
    scores_table,
    slots_table,
)

__all__ = [
    "agreement_table",
    "change_by_layer",
    "doubtful_table",
    "lineage",
    "lora_picture",
    "loss_curve",
    "marked_ansi",
    "marked_html",
    "marker_counts",
    "marker_density",
    "measurements_table",
    "points_table",
    "profile_card",
    "recording_overview",
    "rows_moved",
    "scores_table",
    "segment_lengths",
    "segment_view",
    "side_by_side",
    "slots_table",
    "spectrogram",
    "style_fidelity",
    "support_chart",
    "survival_figure",
    "survival_table",
]
