"""Audio in: read a recording, cut it at its pauses, align its words, measure and detect prosody."""
