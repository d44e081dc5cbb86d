"""Order, budget and errors of work in threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helixer_ft.runtime.parallel import ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_results_come_in_order_whatever_takes_longest(pool):
    def work(i):
        time.sleep(0.02 * (i % 3 == 0))
        return i * i

    found = list(ahead(pool, work, range(20), budget=6))
    assert found == [(i, i * i) for i in range(20)]


def test_the_budget_holds_and_is_used(pool):
    lock, running, most = threading.Lock(), 0, 0

    def work(size):
        nonlocal running, most
        with lock:
            running += size
            most = max(most, running)
        time.sleep(0.01)
        return size

    sizes = [3, 4, 3, 20, 1, 1, 1, 1, 1, 1, 1]
    for size, _ in ahead(pool, work, sizes, size=lambda size: size, budget=10):
        with lock:
            alone = running
        assert alone <= max(10, size)
        with lock:
            running -= size  # handed out: counted until the next is asked for, at the latest
    assert 10 <= most <= 20


def test_items_are_taken_no_further_ahead_than_needed(pool):
    taken = []
    results = ahead(pool, str, (taken.append(i) or i for i in range(100)), budget=3)
    next(results)
    assert len(taken) <= 5
    results.close()


def test_an_error_arrives_in_its_turn(pool):
    results = ahead(pool, lambda i: 1 // (3 - i), range(6), budget=6)
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_to_do(pool):
    assert list(ahead(pool, str, [], budget=1)) == []
