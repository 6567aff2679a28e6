# Thin names over `python -m prosody …`; the README has the same commands for PowerShell.
# Parameters: make train P="epochs=5 base_model=gpt2". Another Python: make PYTHON=python3.12 demo
PYTHON ?= python3
P ?=

.PHONY: help setup demo lesson test lab segment prepare train generate runs sweep report rerun diff tensorboard sample lint hooks lock clean

help:
	@$(PYTHON) -m prosody --help

demo lesson segment prepare train generate:
	@$(PYTHON) -m prosody $@ $(P)

setup test lab runs lint hooks lock clean:
	@$(PYTHON) -m prosody $@ $(P)

# Many runs: make sweep FILE=notebooks/sweep.yaml P=--dry-run
FILE ?= notebooks/sweep.yaml
sweep:
	@$(PYTHON) -m prosody sweep $(FILE) $(P)

# One page of a run: make report RUN=latest
RUN ?= latest
report:
	@$(PYTHON) -m prosody report $(RUN) $(P)

# A run made again: make rerun RUN=train P=--verify
rerun:
	@$(PYTHON) -m prosody rerun $(RUN) $(P)

# Two runs compared: make diff A=20261127T063807Z B=latest P="-o diff.html"
B ?= latest
diff:
	@$(PYTHON) -m prosody diff $(A) $(B) $(P)

# The curves of all trainings, or make tensorboard P="RUN RUN --port 6010"
tensorboard:
	@$(PYTHON) -m prosody tensorboard $(P)

# The built-in corpus as files: make sample DIR=corpus
DIR ?= corpus
sample:
	@$(PYTHON) -m prosody sample $(DIR) $(P)
