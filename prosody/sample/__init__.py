"""The built-in teaching corpus: its script, and the code that voices it."""
