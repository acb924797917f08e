"""`python -m app` in a checkout is `deid ui`."""

import sys

from deid.commands.main import run

if __name__ == "__main__":
    sys.exit(run(["ui", *sys.argv[1:]]))
