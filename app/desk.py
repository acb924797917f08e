"""One heavy job at a time: the others stand in line, and see their place."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
PACE = 0.25  # seconds between two looks at a job


@dataclass(frozen=True)
class Waiting:
    """ahead: jobs that come first."""

    ahead: int


@dataclass(frozen=True)
class Running(Generic[T]):
    """What the job told last, None before its first word."""

    told: T | None


class Desk:
    """First come, first served."""

    def __init__(self) -> None:
        self._line: list[object] = []
        self._moved = threading.Condition()

    @contextmanager
    def in_line(self) -> Iterator[object]:
        ticket = object()
        with self._moved:
            self._line.append(ticket)
        try:
            yield ticket
        finally:
            with self._moved:
                self._line.remove(ticket)
                self._moved.notify_all()

    def ahead_of(self, ticket: object, wait: float = 0.0) -> int:
        """How many come first; waits so many seconds for its turn."""
        with self._moved:
            self._moved.wait_for(lambda: self._line[0] is ticket, timeout=wait)
            return self._line.index(ticket)

    def follow(
        self, job: Callable[[Callable[[T], None]], object], cancel: threading.Event
    ) -> Generator[Waiting | Running[T], None, object]:
        """Run `job(tell)` when its turn comes; yields where it stands, returns its result, raises what it raises.

        A job that is to be cancelled sees that by itself; one still in line never starts, and None is returned. Closed
        early (the page is gone), the job is asked to end, and waited for.
        """
        with self.in_line() as ticket:
            while ahead := self.ahead_of(ticket, PACE):
                if cancel.is_set():
                    return None
                yield Waiting(ahead)
            if cancel.is_set():
                return None
            told: list[T] = []
            ended: list[object] = []
            failed: list[BaseException] = []

            def work() -> None:
                try:
                    ended.append(job(lambda word: told.__setitem__(slice(None), [word])))
                except BaseException as error:
                    failed.append(error)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            try:
                while thread.is_alive():
                    yield Running(told[0] if told else None)
                    thread.join(PACE)
            finally:
                if thread.is_alive():
                    cancel.set()
                    thread.join()
            if failed:
                raise failed[0]
            return ended[0]
