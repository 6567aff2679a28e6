"""`python -m prosody …`: tell of a Python that is too old or too new before anything else is read."""

import sys

if not ((3, 11) <= sys.version_info[:2] <= (3, 13)):
    sys.stderr.write(
        "prosody: this is Python {}.{}, it needs 3.11, 3.12 or 3.13: choose one with `make PYTHON=python3.12 ...` "
        "or `python3.12 -m prosody ...`\n".format(*sys.version_info[:2])
    )
    sys.exit(2)

from prosody.cli import main

if __name__ == "__main__":
    sys.exit(main())
