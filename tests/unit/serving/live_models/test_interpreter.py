"""The loop's thread need not wait 5 ms for the interpreter while a model is opened."""

import sys
import threading
from contextlib import suppress

from serving.live_models import live_models
from serving.live_models.interpreter import given_back_soon
from tests.builders.small_shop import announcement


def test_the_interpreter_is_given_back_soon_for_a_while_also_after_a_failure():
    for thread in threading.enumerate():
        if thread.name == "open-model":  # of a test before this one
            thread.join()
    before = sys.getswitchinterval()
    with suppress(ZeroDivisionError), given_back_soon():
        meanwhile = sys.getswitchinterval()
        _ = 1 / 0

    assert meanwhile <= 0.001 < before == sys.getswitchinterval()


def test_a_model_is_opened_so(shop, monkeypatch):
    opened, seen = live_models.open_model, []

    def watched(*asked):
        seen.append((threading.current_thread().name, sys.getswitchinterval()))
        return opened(*asked)

    monkeypatch.setattr(live_models, "open_model", watched)
    shop.serve(announcement(shop.folder, 2))

    ((thread, interval),) = seen
    assert thread == "open-model"
    assert interval <= 0.001
