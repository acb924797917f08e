"""After a wrong guess the next one waits, and longer each time; in parallel, too."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deid.app import login
from deid.app.guard import Guard
from deid.app.sessions import Sessions

REAL_SLEEP = asyncio.sleep


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await REAL_SLEEP(0)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(login.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(login.asyncio, "sleep", clock.sleep)
    return clock


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200 if scope["right"] else 400, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def guess(door: Any, *, right: bool = False, host: str = "192.0.2.1") -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(b"content-length", b"0")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/login",
        "headers": headers,
        "client": (host, 1),
        "right": right,
    }
    await door(scope, receive, send)
    return int(sent[0]["status"])


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def run(*guesses: tuple[bool, str], clock: Clock) -> list[float]:
    """When each guess was answered."""
    sessions = Sessions()
    door, answered = Guard(page, sessions), []

    async def all_of_them() -> None:
        for right, host in guesses:
            await guess(door, right=right, host=host)
            answered.append(clock.now)

    finished(all_of_them())
    sessions.close()
    return answered


HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_each_wrong_guess_makes_the_next_one_wait_longer(clock: Clock) -> None:
    assert run(*[(False, HERE)] * 5, clock=clock) == [0, 1, 3, 7, 15]
    assert run(*[(False, HERE)] * 200, clock=clock)[-1] > 190 * login.LONGEST_WAIT


def test_a_right_one_is_taken_and_ends_it(clock: Clock) -> None:
    assert run((False, HERE), (True, HERE), (False, HERE), (False, HERE), clock=clock) == [0, 1, 1, 2]


def test_who_guesses_elsewhere_makes_nobody_here_wait(clock: Clock) -> None:
    assert run(*[(False, HERE)] * 3, (True, THERE), clock=clock) == [0, 1, 3, 3]


@pytest.mark.parametrize("places", [("127.0.0.1", "127.0.0.2"), ("2001:db8::1", "2001:db8::2:1"), ("::1", "127.0.0.1")])
def test_one_who_has_many_addresses_is_one(clock: Clock, places: tuple[str, str]) -> None:
    assert run(*((False, place) for place in places), clock=clock) == [0, 1]


def test_many_at_once_come_one_after_the_other_and_most_not_at_all(clock: Clock) -> None:
    door = login.Login()

    async def at_once() -> list[int]:
        async def through(scope: Any, receive: Any, send: Any) -> None:
            await door(page, scope, receive, send)

        return await asyncio.gather(*(guess(through) for _ in range(50)))

    statuses = finished(at_once())
    assert statuses.count(400) == login.MOST_IN_LINE
    assert statuses.count(429) == 50 - login.MOST_IN_LINE
    assert clock.now == sum(2**at for at in range(login.MOST_IN_LINE - 2)) + login.LONGEST_WAIT
