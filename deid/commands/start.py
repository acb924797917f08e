"""Where the command `deid` begins: whoever interrupts it while it is still imported gets no stack trace either."""

import sys

from deid.commands.interrupts import INTERRUPTED, end_at_the_second


def main() -> None:
    end_at_the_second()
    try:
        from deid.commands import main as command

        command.main()
    except KeyboardInterrupt:
        print("deid: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
