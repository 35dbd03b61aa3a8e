"""Reference cycles are looked for seldom while a service runs, and what is large is not freed by the loop's thread."""

import gc
import threading

from serving.live_models.memory import LettingGo, seldom_collecting


def test_reference_cycles_are_looked_for_seldom_for_a_while():
    before = gc.get_threshold()
    with seldom_collecting():
        meanwhile, passed_over = gc.get_threshold(), gc.get_freeze_count()

    assert meanwhile[0] > before[0]
    assert passed_over > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_is_let_go_is_freed_by_another_thread_and_given_back_once(monkeypatch):
    freed_by, given_back = [], []
    freed = threading.Event()

    class Large:
        def __del__(self):
            freed_by.append(threading.current_thread().name)
            freed.set()

    monkeypatch.setattr("serving.live_models.memory.give_back_memory", lambda: given_back.append(1))
    letting_go = LettingGo()
    letting_go.turn()
    letting_go.free([Large()])
    assert freed.wait(10)
    for thread in threading.enumerate():
        if thread.name == "let-go":
            thread.join(10)
    letting_go.turn()
    letting_go.turn()

    assert freed_by == ["let-go"]
    assert given_back == [1]
