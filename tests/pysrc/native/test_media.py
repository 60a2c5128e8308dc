"""Items made ahead by a thread: in order, with their errors, and ended when they are left."""

import threading

import pytest

from bodylens.native.media import prefetched


def test_items_come_in_order():
    with prefetched(iter(range(50))) as items:
        assert list(items) == list(range(50))


def test_an_error_comes_after_what_came_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"), prefetched(items()) as found:
        seen.extend(found)
    assert seen == [1]


def test_items_are_made_while_one_is_worked_on():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    with prefetched(items()) as found:
        assert next(found) == 1
        assert made.wait(60)
        assert next(found) == 2


def test_leaving_early_ends_the_thread_and_closes_what_it_has_open():
    ended = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            ended.set()

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="stop"), prefetched(items()) as found, prefetched(found) as further:
        next(further)
        raise RuntimeError("stop")
    assert ended.wait(60)
    assert threading.active_count() == before
