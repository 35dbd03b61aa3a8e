"""Reference cycles are looked for seldom while a service runs."""

import gc

from serving.live_models.memory import seldom_collecting


def test_reference_cycles_are_looked_for_seldom_for_a_while():
    before = gc.get_threshold()
    with seldom_collecting():
        meanwhile, passed_over = gc.get_threshold(), gc.get_freeze_count()

    assert meanwhile[0] > before[0]
    assert passed_over > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
