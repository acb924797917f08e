"""One job at a time, in order; cancelled ones end, whatever happens to the page."""

import threading
from collections.abc import Generator
from typing import Any

import pytest

from deid.app.job_queue import JobQueue, Running, Waiting


def rest(job: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """What is still to come, and the result."""
    states = []
    while True:
        try:
            states.append(next(job))
        except StopIteration as end:
            return states, end.value


def test_a_job_reports_and_ends() -> None:
    def job(on_progress: Any) -> str:
        on_progress("half")
        seen.wait(5)
        return "whole"

    seen = threading.Event()
    following = JobQueue().follow(job, threading.Event())
    state = next(following)
    while state != Running("half"):
        state = next(following)
    seen.set()
    assert rest(following)[1] == "whole"


def test_the_second_waits_and_sees_its_place() -> None:
    jobs, go = JobQueue(), threading.Event()
    first = jobs.follow(lambda on_progress: go.wait(5), threading.Event())
    assert isinstance(next(first), Running)
    second = jobs.follow(lambda on_progress: "second", threading.Event())
    assert next(second) == Waiting(1)
    third = jobs.follow(lambda on_progress: "third", threading.Event())
    assert next(third) == Waiting(2)
    third.close()  # who leaves the line gives up the place
    go.set()
    assert rest(first)[1] is True
    states, result = rest(second)
    assert result == "second"
    assert Waiting(1) not in states[1:]


def test_one_cancelled_in_line_never_starts() -> None:
    jobs, go, cancel = JobQueue(), threading.Event(), threading.Event()
    first = jobs.follow(lambda on_progress: go.wait(5), threading.Event())
    next(first)
    second = jobs.follow(lambda on_progress: pytest.fail("it started"), cancel)
    assert next(second) == Waiting(1)
    cancel.set()
    assert rest(second) == ([], None)
    go.set()
    rest(first)


def test_an_error_comes_out_and_frees_the_line() -> None:
    jobs = JobQueue()
    with pytest.raises(ValueError, match="broken"):
        rest(jobs.follow(lambda on_progress: int("broken"), threading.Event()))
    assert rest(jobs.follow(lambda on_progress: "next", threading.Event()))[1] == "next"


def test_a_page_that_is_gone_takes_its_job_along() -> None:
    jobs, cancel, ended = JobQueue(), threading.Event(), threading.Event()

    def job(on_progress: Any) -> None:
        cancel.wait(5)
        ended.set()

    following = jobs.follow(job, cancel)
    next(following)
    following.close()
    assert ended.is_set()
    assert rest(jobs.follow(lambda on_progress: "next", threading.Event()))[1] == "next"
