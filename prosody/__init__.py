"""Janus Prosody: teach a small language model how one person speaks, and let it mark and speak new answers.

Importing this package loads nothing heavy; each module brings in what it needs when it is used.
"""

__version__ = "0.1.0"
