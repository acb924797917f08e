"""One heavy job at a time: the others wait in line, and see their place."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.25  # between two looks at a job


@dataclass(frozen=True)
class Waiting:
    """ahead: jobs that come first."""

    ahead: int


@dataclass(frozen=True)
class Running(Generic[T]):
    """progress: what the job reported last, None before its first report."""

    progress: T | None


class JobQueue:
    """First come, first served."""

    def __init__(self) -> None:
        self._tickets: list[object] = []
        self._moved = threading.Condition()

    @contextmanager
    def enter(self) -> Iterator[object]:
        ticket = object()
        with self._moved:
            self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            with self._moved:
                self._tickets.remove(ticket)
                self._moved.notify_all()

    def ahead_of(self, ticket: object, wait: float = 0.0) -> int:
        """How many come first; waits up to `wait` seconds for its turn."""
        with self._moved:
            self._moved.wait_for(lambda: self._tickets[0] is ticket, timeout=wait)
            return self._tickets.index(ticket)

    def follow(
        self, job: Callable[[Callable[[T], None]], object], cancel: threading.Event
    ) -> Generator[Waiting | Running[T], None, object]:
        """Run `job(on_progress)` when its turn comes; yields its state, returns its result, raises what it raises.

        A job that is to be cancelled sees that by itself; one still in line never starts, and None is returned. Closed
        early (the page is gone), the job is asked to end, and waited for.
        """
        with self.enter() as ticket:
            while ahead := self.ahead_of(ticket, POLL_SECONDS):
                if cancel.is_set():
                    return None
                yield Waiting(ahead)
            if cancel.is_set():
                return None
            latest: T | None = None
            result: object = None
            failure: BaseException | None = None

            def on_progress(progress: T) -> None:
                nonlocal latest
                latest = progress

            def work() -> None:
                nonlocal result, failure
                try:
                    result = job(on_progress)
                except BaseException as error:
                    failure = error

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            try:
                while thread.is_alive():
                    yield Running(latest)
                    thread.join(POLL_SECONDS)
            finally:
                if thread.is_alive():
                    cancel.set()
                    thread.join()
            if failure is not None:
                raise failure
            return result
