"""A run handed to somebody else, and taken in from there: as plain files, or as an RO-Crate."""
