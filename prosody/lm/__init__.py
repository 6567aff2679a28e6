"""The text model: a small pretrained causal LM that learns where one speaker's markers stand."""
