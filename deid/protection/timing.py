"""Where the seconds of one photo went."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Timing:
    """Seconds by name; what is timed inside something else counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        self._inside.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[name] -= self._inside.pop()
            self.add(name, elapsed)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] += seconds
        if self._inside:
            self._inside[-1] += seconds
