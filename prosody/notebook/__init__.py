"""What the notebooks show. Nothing outside this package imports plotly or ipywidgets."""
