"""`python -m app` in a checkout is `deid ui`."""

import sys

from deid.cli import run

if __name__ == "__main__":
    sys.exit(run(["ui", *sys.argv[1:]]))
