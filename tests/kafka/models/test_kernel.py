"""The kernel on a machine that never compiled it: the reference answers meanwhile, and nothing changes afterwards."""

import psutil
import pytest

from tests.kafka.brokers.broker import eventually
from tests.kafka.support.load import two_interests
from tests.kafka.support.running_shop import running_shop

LEARNING = {"train_min_new_events": "100", "train_max_wait_s": "100000", "vector_size": "16", "epochs": "2"}
ASKED = [f"learnt-{number}" for number in range(20)]


def products(answers):
    return [[(item["product_id"], item["because"]) for item in answer["recommendations"]] for answer in answers]


@pytest.mark.needs_real_broker(one=True)
def test_the_reference_answers_until_the_kernel_is_compiled_and_both_answer_alike(broker, tmp_path):
    locked = tmp_path / "no-folder"
    locked.write_text("a file stands where the folder should be")
    settings = LEARNING | {"kernel_cache_dir": str(locked / "kernel"), "gate_customers": "0"}
    with running_shop(broker, tmp_path, role="both", **settings) as shop:
        shop.buy(*two_interests(120))
        eventually(lambda: shop.service.metric("alsobought_model_version") > 0, "a model answers", timeout_s=90)
        compiled_before = shop.service.metric("alsobought_kernel_compiled")
        by_reference = products([shop.ask(customer) for customer in ASKED])
        still = shop.service.metric("alsobought_kernel_compiled")
        eventually(lambda: shop.service.metric("alsobought_kernel_compiled") == 1, "the kernel is there", timeout_s=300)
        by_kernel = products([shop.ask(customer) for customer in ASKED])
        shop.service.stop()
        shop.service.start()
        eventually(lambda: shop.service.metric("alsobought_kernel_compiled") == 1, "it is loaded", timeout_s=60)
        made = list((shop.service.data_dir / "kernel").glob("*/compiled"))

    assert (compiled_before, still) == (0, 0), "the folder was empty"
    assert by_kernel == by_reference
    assert all(rows for rows in by_kernel)
    assert len(made) == 1


@pytest.mark.needs_real_broker(one=True)
def test_a_service_that_is_killed_while_it_compiles_leaves_no_process(broker, tmp_path):
    with running_shop(broker, tmp_path, role="worker", kernel_cache_dir=str(tmp_path / "kernel")) as shop:
        service = psutil.Process(shop.service.process.pid)
        eventually(lambda: compiling(service), "it compiles", timeout_s=30)
        children = compiling(service)
        shop.service.kill()

    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def compiling(service):
    return [child for child in service.children() if "model.ranking.kernel.compile" in child.cmdline()]
