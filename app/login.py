"""The page's password: after each wrong guess the next one waits longer."""

import asyncio
import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import is_loopback

FIRST_WAIT = 1.0  # seconds after the first wrong guess; twice as many after each further one
LONGEST_WAIT = 60.0
MOST_IN_LINE = 8  # guesses from one place; further ones are refused at once
MOST_PLACES = 10_000  # further ones share a line
WRONG = 400  # Gradio's status for it


@dataclass(eq=False)
class _Line:
    """Guesses from one place, one after the other. wrong: in a row; earliest: when the next one may be looked at."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    wrong: int = 0
    earliest: float = 0.0


class Login:
    """The lines of all places from which somebody guesses."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` judge a guess when its time has come."""
        place = _place_of(scope)
        if len(self._lines) >= MOST_PLACES and place not in self._lines:
            place = "elsewhere"
        line = self._lines.setdefault(place, _Line())
        if line.waiting >= MOST_IN_LINE:
            refused = PlainTextResponse("too many guesses at once: wait", 429, {"Retry-After": str(int(LONGEST_WAIT))})
            await refused(scope, receive, send)
            return
        status = 0

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        line.waiting += 1
        try:
            async with line.turn:
                await asyncio.sleep(max(0.0, line.earliest - time.monotonic()))
                try:
                    await app(scope, receive, seen)
                finally:
                    self._judge(line, status)
        finally:
            line.waiting -= 1
            if not (line.waiting or line.wrong):
                self._lines.pop(place, None)

    def _judge(self, line: _Line, status: int) -> None:
        if status == WRONG:
            line.wrong += 1
            # Bounded before it is a number that no float holds.
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(line.wrong - 1, 30))
            line.earliest = time.monotonic() + wait
        elif 200 <= status < 300:
            line.wrong = 0


def _place_of(scope: Scope) -> str:
    """Of a network that one person surely has, one: all of an IPv6 network's addresses, and all of this computer's."""
    host = (scope.get("client") or ("",))[0]
    if is_loopback(host):
        return "here"
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.exploded[:19]  # its first 64 bits
    return host
