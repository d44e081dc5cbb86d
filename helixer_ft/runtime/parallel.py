"""Work in several threads, results in order, memory bounded."""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
READ_AHEAD = 2
"""Items that `read_ahead` has waiting, besides the one it is about to add."""


def default_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(
    pool: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    size: Callable[[Item], int] = lambda _: 1,
    budget: int,
) -> Iterator[tuple[Item, Result]]:
    """`function` of each item, in order, worked on ahead of what is asked for.

    Parameters
    ----------
    pool
        Does the work.
    function
        Applied to one item; an error arrives in its turn.
    items
        Taken one by one, no further ahead than needed.
    size, budget
        Items are begun while the sizes of all that are begun, the one last handed out included,
        stay within the budget; one alone may exceed it.
    """
    source = iter(items)
    waiting: deque[tuple[Item, int, Future[Result]]] = deque()
    used, upcoming = 0, next(source, None)
    try:
        while upcoming is not None or waiting:
            while upcoming is not None and (not waiting or used + size(upcoming) <= budget):
                weight = size(upcoming)
                waiting.append((upcoming, weight, pool.submit(function, upcoming)))
                used += weight
                upcoming = next(source, None)
            item, weight, future = waiting[0]
            result = future.result()
            yield item, result
            del future, result
            waiting.popleft()
            used -= weight
    finally:
        for _, _, future in waiting:
            future.cancel()


def read_ahead(
    load: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """`map(load, items)`, a few items ahead in a background thread; errors arrive in their turn."""
    results: queue.Queue[Result | BaseException | None] = queue.Queue(READ_AHEAD)
    stop = threading.Event()

    def put(result: Result | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return results.put(result, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(load(item))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed on to the consumer, whatever it is
            put(error)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (result := results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        thread.join()
