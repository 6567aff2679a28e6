"""Reviewing a dataset: what a person does to its segments, action by action, and which of them to look at first."""
