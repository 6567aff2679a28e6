"""The door to all that notebooks show: `from prosody.notebook import plots`.

Each figure function returns a plotly figure with transparent ground and mid-tone text, for light pages and dark ones.
Curves are thinned before they go into a figure, so that a saved notebook stays small.
"""

from prosody.notebook.card import profile_card
from prosody.notebook.charts import loss_curve, marker_counts, segment_lengths, support_chart
from prosody.notebook.density import marker_density
from prosody.notebook.recording import recording_overview
from prosody.notebook.segment import segment_view
from prosody.notebook.show import marked_ansi, marked_html
from prosody.notebook.tables import agreement_table, doubtful_table

__all__ = [
    "agreement_table",
    "doubtful_table",
    "loss_curve",
    "marked_ansi",
    "marked_html",
    "marker_counts",
    "marker_density",
    "profile_card",
    "recording_overview",
    "segment_lengths",
    "segment_view",
    "support_chart",
]
