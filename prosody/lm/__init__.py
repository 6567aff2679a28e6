"""The text model: a small pretrained causal LM that learns where one speaker's markers stand."""

import os

# torch's threads wait for each other by spinning. On a machine that has anything else to do, two of them are then up to
# thirty times slower than one; waiting passively costs nothing that could be measured. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("KMP_BLOCKTIME", "0")
