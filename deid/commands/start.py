"""Where the command `deid` begins: whoever interrupts it while it is still imported gets no stack trace either."""

import sys


def main() -> None:
    try:
        from deid.commands import main as command

        command.main()
    except KeyboardInterrupt:
        print("deid: interrupted", file=sys.stderr)
        sys.exit(130)
