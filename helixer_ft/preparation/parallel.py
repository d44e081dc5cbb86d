"""Work in several threads, results in order, memory bounded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        Of one item; an error arrives in its turn.
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
