"""Which model answers: swapped by reference, refused when it is not sound, and never missed by a request."""

import hashlib
import json
import shutil
import threading
import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from model.catalogue.product import Product
from model.purchases.changes import LogRecord
from model.signals.demand import Demand
from model.snapshots.metadata import SnapshotRefused, file_names, version_number
from model.snapshots.product_columns import Products, columns_of
from model.snapshots.reader import open_snapshot
from serving.live_models import live_model, live_models
from serving.live_models.live_model import bind, open_model
from tests.builders.small_shop import (
    NOW_S,
    SmallShop,
    announcement,
    copied,
    everyday_purchases,
    learn,
    open_shop,
    open_store,
    purchase,
)


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as lines:
        yield lines


def versions(shop: SmallShop):
    return sorted(path.name for path in (shop.folder / "models").iterdir() if path.name.startswith("v"))


def metric(shop, name, **labels):
    return shop.metrics.registry.get_sample_value(f"alsobought_{name}", labels)


def damage(shop, version, beginning, change):
    """Change one file of a version."""
    (file,) = (shop.folder / "models" / version).glob(f"{beginning}*")
    file.write_bytes(change(file.read_bytes()))


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def test_a_newer_model_takes_over(shop):
    first = shop.models.live[""].version
    newer = announcement(shop.folder, 2)

    shop.serve(newer)

    assert shop.models.live[""].version == newer.version != first
    assert shop.ask("c-1").model_version == newer.version
    assert metric(shop, "model_version") == 2
    assert metric(shop, "vocabulary_products") == len(shop.models.live[""].numbers)
    assert [metric(shop, "index_recall_ratio", kind=whom) for whom in ("customers", "products")] == [1, 1]


def test_answers_go_on_from_the_old_model_until_the_new_one_is_there(shop, monkeypatch):
    newer, may_open = announcement(shop.folder, 2), threading.Event()
    monkeypatch.setattr(live_models, "open_model", lambda *given: may_open.wait(10) and open_model(*given))
    old = shop.models.live[""].version

    shop.models.announced("", newer)
    shop.models.turn()
    meanwhile = shop.ask("c-1").model_version
    may_open.set()
    shop.settle()

    assert (meanwhile, shop.ask("c-1").model_version) == (old, newer.version)


def test_a_new_model_on_its_way_leaves_the_worker_ready_but_the_first_one_does_not(shop, untrained_shop, monkeypatch):
    may_open = threading.Event()
    monkeypatch.setattr(live_models, "open_model", lambda *given: may_open.wait(10) and open_model(*given))
    newer = announcement(shop.folder, 2)

    shop.models.announced("", newer)
    untrained_shop.models.announced("", newer)
    settled = shop.models.settled, untrained_shop.models.settled
    may_open.set()
    shop.settle()
    untrained_shop.settle()

    assert settled == (True, False)
    assert untrained_shop.models.settled


@pytest.mark.parametrize("file", ["manifest", "faiss_index", "item_vectors", "recommendations_metadata", "item2vec"])
def test_a_model_with_a_wrong_checksum_is_refused_and_the_old_one_stays(shop, logs, file):
    old, newer = shop.models.live[""], announcement(shop.folder, 2)
    damage(shop, newer.version, file, flipped)

    shop.serve(newer)

    assert shop.models.live[""] is old
    assert metric(shop, "model_refused_total", reason="checksum") == 1
    assert "sha256" in shop.models.refused[newer.version]
    (said,) = [line for line in logs if line["event"] == "model_refused"]
    assert (said["log_level"], said["version"], said["serving"]) == ("error", newer.version, old.version)


def resigned(shop, version, what, change):
    """The announcement of a version of which a file was changed, by somebody who signs what he changed."""
    folder = shop.folder / "models" / version
    file = folder / file_names(version)[what]
    change(file)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    content = file.read_bytes()
    manifest["files"][file.name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_bytes(json.dumps(manifest).encode())
    return announcement(shop.folder, version_number(version))


def swap_answers(file):
    metadata = json.loads(file.read_bytes())
    for test in metadata["self_test"]:
        test["expected"] = [row + 10_000 for row in test["expected"]]
    file.write_bytes(json.dumps(metadata).encode())


def name_one_twice(file):
    products = Products.read(file)
    names = [Product(*products.names(slice(None))[row]) for row in (0, 0, 0, *range(2, len(products)))]
    columns_of(names, np.arange(1, len(names)), np.zeros(len(names), np.uint32)).write(file)


@pytest.mark.parametrize(("what", "change"), [("metadata", swap_answers), ("products", name_one_twice)])
def test_a_model_that_fails_its_self_test_is_refused(shop, what, change):
    old, newer = shop.models.live[""], announcement(shop.folder, 2)

    shop.serve(resigned(shop, newer.version, what, change))

    assert shop.models.live[""] is old
    assert metric(shop, "model_refused_total", reason="self_test") == 1


def reverse_numbers(file):
    products = Products.read(file)
    replace(products, numbers=products.numbers[::-1]).write(file)


def test_numbers_that_mean_other_products_here_are_not_believed(shop):
    newer = announcement(shop.folder, 2)

    shop.serve(resigned(shop, newer.version, "products", reverse_numbers))
    shop.buy("ada", "tea")

    assert shop.models.live[""].version == newer.version
    assert set(shop.ids(shop.ask("ada", k=3))) <= {"teapot", "cup", "sugar", "honey", "kettle"}


@pytest.mark.parametrize("uri", ["../../etc", "v99-20260101T000000Z", "/tmp", "v1-x"])
def test_a_folder_that_is_no_version_here_is_refused(shop, uri):
    shop.serve(msgspec.structs.replace(announcement(shop.folder, 2), uri=uri))

    assert shop.models.refused
    assert shop.models.live[""].version.startswith("v1-")


def test_an_announcement_that_names_another_versions_folder_is_refused(shop):
    first, second = announcement(shop.folder, 1), announcement(shop.folder, 2)

    shop.serve(msgspec.structs.replace(second, uri=first.uri, sha256=first.sha256))

    assert metric(shop, "model_refused_total", reason="bad_version") == 1


def test_a_refused_model_is_taken_once_it_is_whole_and_announced_again(shop):
    newer = announcement(shop.folder, 2)
    damage(shop, newer.version, "faiss_index", flipped)
    shop.serve(newer)
    damage(shop, newer.version, "faiss_index", flipped)

    shop.serve(newer)

    assert (shop.models.live[""].version, shop.models.refused) == (newer.version, {})


def test_the_same_announcement_again_opens_nothing(shop, monkeypatch):
    current, opened = announcement(shop.folder, 1), []
    monkeypatch.setattr(live_models, "open_model", lambda *given: opened.append(given) or open_model(*given))
    newer = announcement(shop.folder, 2)

    shop.serve(current)
    shop.models.announced("", newer)
    shop.serve(newer)

    assert len(opened) == 1
    assert shop.models.live[""].version == newer.version


def test_the_last_announcement_counts_though_an_earlier_one_opens_later(shop, monkeypatch):
    slow, fast, may_open = announcement(shop.folder, 2), learn(shop.folder, full=True), threading.Event()

    def opening(models, version, sha256):
        if version == slow.version:
            may_open.wait(10)
        return open_model(models, version, sha256)

    monkeypatch.setattr(live_models, "open_model", opening)
    shop.models.announced("", slow)
    shop.models.announced("", fast)
    deadline = time.monotonic() + 10
    while shop.models.live[""].version != fast.version and time.monotonic() < deadline:
        shop.models.turn()
    may_open.set()
    shop.settle()

    assert shop.models.live[""].version == fast.version


def test_an_older_version_may_be_announced_again(shop):
    first, newer = announcement(shop.folder, 1), announcement(shop.folder, 2)
    shop.serve(newer)

    shop.serve(first)

    assert shop.models.live[""].version == first.version


def test_a_model_that_is_taken_away_leaves_what_sells(shop):
    shop.models.announced("", None)

    assert shop.ask("c-1").degraded == "no_model"
    assert (metric(shop, "model_version"), metric(shop, "vocabulary_products")) == (0, 0)


def popular(announced):
    return msgspec.structs.replace(announced, serves="popular")


def test_where_popularity_is_the_better_answer_it_answers_and_says_so(shop):
    shop.serve(popular(announcement(shop.folder, 2)))

    answer = shop.ask("c-1", k=3)

    assert (answer.degraded, answer.model_version) == ("model_refused", None)
    assert {item.strategy for item in answer.items} == {"popular"}
    assert metric(shop, "model_version") == 0


def test_a_model_that_is_better_again_answers_again(shop):
    shop.serve(popular(announcement(shop.folder, 2)))
    shop.serve(announcement(shop.folder, 2))

    assert shop.ask("c-1").degraded is None


def test_popularity_for_one_brand_leaves_the_model_to_the_others(shop):
    shop.serve(popular(learn(shop.folder, "acme")))

    assert shop.models.for_brand("acme") is None
    assert shop.ask("b-0", brand_id="acme").degraded == "model_refused"
    assert shop.ask("b-1", brand_id="zeta").degraded is None


def test_a_pin_alone_changes_nothing_for_a_worker(shop, monkeypatch):
    monkeypatch.setattr(live_models, "open_model", lambda *_: pytest.fail("it answers already"))

    shop.serve(
        msgspec.structs.replace(announcement(shop.folder, 1), pinned=True, newest=announcement(shop.folder, 2).version)
    )

    assert version_number(shop.models.live[""].version) == 1


def test_a_model_that_is_taken_away_while_it_opens_does_not_come_back(shop):
    shop.models.announced("", announcement(shop.folder, 2))
    shop.models.announced("", None)
    shop.settle()

    assert shop.models.live == {}


def test_a_brands_model_does_not_answer_for_the_others(shop):
    of_all, of_brand = shop.models.live[""], learn(shop.folder, "acme")

    shop.serve(of_brand)

    assert shop.models.for_brand("acme").version == of_brand.version
    assert shop.models.for_brand("zeta") is shop.models.for_brand(None) is of_all
    assert metric(shop, "model_version") == 1


def test_a_model_from_another_database_is_bound_by_names(shop, tmp_path):
    store = open_store(tmp_path / "other")
    store.apply([LogRecord(0, 0, purchase("x", "unrelated", "tent"))])
    orders = reversed(everyday_purchases())
    store.apply([LogRecord(0, offset, order) for offset, order in enumerate(orders, 1)])
    store.close()
    shutil.copytree(shop.folder / "models", tmp_path / "other" / "models")
    other = open_shop(tmp_path / "other")

    other.buy("ada", "tent", "rope")
    answer = other.ask("ada", k=4)

    assert set(other.ids(answer)) == {"stove", "lamp", "mat", "axe"}
    products = open_snapshot(other.folder / "models", other.models.live[""].version).products
    assert [("", other.product(other.models.live[""].numbers[0]).product_id)] == products.names(slice(1))
    other.store.close()


def test_products_that_this_worker_never_saw_are_taken_up(shop, tmp_path):
    store = open_store(tmp_path / "new")
    opened = open_model(shop.folder / "models", versions(shop)[0])

    model = bind(opened, store, Demand())

    names = [store.products()[number][:2] for number in model.numbers]
    assert names == opened.snapshot.products.names(slice(None))
    assert sorted(model.numbers) == list(range(1, len(names) + 1))
    store.close()


def test_a_database_out_of_a_backup_is_older_than_the_model_and_still_answers(folder, tmp_path):
    backup = copied(folder, tmp_path / "backup")
    shop = open_shop(folder)
    shop.buy("ada", "brand-new", time_s=NOW_S)
    shop.buy("bob", "brand-new", "tea", time_s=NOW_S)
    shop.store.close()
    newer = learn(folder, full=True)
    shutil.copytree(folder / "models" / newer.version, backup / "models" / newer.version)
    restored = open_shop(backup, with_model=False)

    restored.serve(newer)

    assert restored.models.live[""].version == newer.version
    assert restored.store.number_of("", "brand-new") is not None
    restored.store.close()


def test_a_product_bought_for_the_first_time_after_the_model_was_made_does_no_harm(shop):
    for number in range(50):
        shop.buy(f"fan-{number}", f"new-{number}")

    assert len(shop.ask("c-1", k=3).items) == 3
    assert shop.store.number_of("", "new-7") >= len(shop.models.live[""].model.row_of_number)


def test_only_the_biases_of_what_sold_are_rewritten(shop):
    index = shop.models.live[""].model.index
    before = index.bias

    shop.buy("eve", "honey")
    changed = np.flatnonzero(index.bias != before)

    honey = shop.models.live[""].rows_of(np.array([shop.store.number_of("", "honey")]))
    assert set(honey.tolist()) <= set(changed.tolist())


def test_whatever_goes_wrong_while_a_model_opens_is_a_refusal(shop, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(live_models, "open_model", fails)

    shop.serve(announcement(shop.folder, 2))

    assert metric(shop, "model_refused_total", reason="unreadable") == 1


def test_whatever_goes_wrong_while_a_model_is_bound_is_a_refusal(shop, monkeypatch):
    def fails(*_):
        yield
        raise IndexError

    old = shop.models.live[""]
    monkeypatch.setattr(live_models, "bind_in_steps", fails)

    shop.serve(announcement(shop.folder, 2))

    assert shop.models.live[""] is old
    assert metric(shop, "model_refused_total", reason="unreadable") == 1


def test_answers_go_on_while_a_large_model_is_bound(shop, monkeypatch):
    monkeypatch.setattr(live_model, "_BOUND_TOGETHER", 1)  # as many steps as products
    shop.models.pace = replace(shop.models.pace, binding_s=0.0)  # and one in a turn
    newer, answered = announcement(shop.folder, 2), []

    shop.models.announced("", newer)
    while shop.models.opening:
        shop.models.turn()
        answered.append(shop.ask("c-1").model_version)

    first, second = dict.fromkeys(answered)
    assert (first[:3], second) == ("v1-", newer.version)
    assert answered.count(first) > len(shop.models.live[""].numbers)


def test_a_product_withdrawn_while_a_model_is_bound_is_not_offered_by_it(shop, monkeypatch):
    monkeypatch.setattr(live_model, "_BOUND_TOGETHER", 1)
    shop.models.pace = replace(shop.models.pace, binding_s=0.0)
    newer = announcement(shop.folder, 2)
    shop.buy("ada", "tea")
    shop.models.announced("", newer)
    while shop.models._binding is None:
        shop.models.turn()
    for _ in range(len(shop.models.live[""].numbers) - 1):
        shop.models.turn()

    shop.put_in_catalogue(Product("", "teapot", withdrawn=True))
    shop.settle()

    assert shop.models.live[""].version == newer.version
    assert "teapot" not in shop.ids(shop.ask("ada", k=20))


def test_biases_of_a_large_model_are_brought_up_to_date_over_several_turns(shop, monkeypatch):
    monkeypatch.setattr(live_model, "_REWRITTEN_TOGETHER", 5)
    shop.serve(announcement(shop.folder, 2))
    shop.buy("ada", "tea")
    for _ in range(5):
        shop.models.turn()
    model = shop.models.live[""]
    scoring = model.metadata.ranking.scoring
    expected = shop.demand.bias(model.model.number_of_row, scoring.popularity_weight, scoring.trend_weight)

    np.testing.assert_allclose(model.model.index.bias, expected, rtol=1e-6)


def test_biases_are_all_brought_up_to_date_though_many_products_sell_in_every_turn(shop, monkeypatch):
    monkeypatch.setattr(live_model, "_REWRITTEN_TOGETHER", 3)
    model = shop.models.live[""]
    rows = len(model.numbers)
    model.model.index.set_bias(np.arange(rows), np.full(rows, 99.0, np.float32))
    for at in range(-(-rows // 3) + 1):
        shop.demand.add(np.array(model.numbers[:4]), np.full(4, 1_760_000_000 + at))
        shop.models.turn()

    assert rows > 6
    assert 99.0 not in model.model.index.bias


def test_a_product_that_stands_twice_in_a_model_is_refused(shop):
    opened = open_model(shop.folder / "models", versions(shop)[0])
    numbers = opened.snapshot.products.numbers.astype(np.int64)
    numbers[1] = numbers[0]
    columns = columns_of(shop.store.products(), numbers, np.zeros(100, np.uint32))
    twice = replace(opened, snapshot=replace(opened.snapshot, products=columns))

    with pytest.raises(SnapshotRefused, match="twice"):
        bind(twice, shop.store, shop.models.demand)


@pytest.mark.parametrize("full", [True, False])
def test_a_model_learnt_after_a_withdrawal_never_offers_what_was_withdrawn(shop, full):
    shop.buy("ada", "tea")
    shop.put_in_catalogue(shop.product(shop.store.number_of("", "cup"))._replace(withdrawn=True))

    shop.serve(learn(shop.folder, full=full))

    assert len(shop.ids(shop.ask("ada", k=20))) == 20
    assert "cup" not in shop.ids(shop.ask("ada", k=20))
    assert "cup" not in shop.ids(shop.ask("nobody", k=20, kind="similar", product_ids=("tea",)))


def test_without_another_model_a_damaged_one_has_a_word_of_its_own_until_it_is_sound_again(untrained_shop, shop, logs):
    newer = announcement(shop.folder, 2)
    (file,) = (shop.folder / "models" / newer.version).glob("item_vectors*")
    sound = file.read_bytes()
    file.write_bytes(flipped(sound))
    folder = untrained_shop.folder / "models"
    shutil.copytree(shop.folder / "models", folder, dirs_exist_ok=True)
    untrained_shop.serve(newer)
    damaged = untrained_shop.models.why_none(None), untrained_shop.models.damage(), untrained_shop.models.settled
    untrained_shop.models._open_again_at_s = 0.0
    untrained_shop.models.turn()
    untrained_shop.settle()
    (folder / newer.version / file.name).write_bytes(sound)
    untrained_shop.models._open_again_at_s = 0.0
    untrained_shop.models.turn()
    untrained_shop.settle()

    assert damaged[0] == "model_damaged"
    assert file.name in damaged[1][0]
    assert damaged[2]
    assert untrained_shop.models.live[""].version == newer.version
    assert untrained_shop.models.damage() == []
    assert len([line for line in logs if line["event"] == "model_refused"]) == 1
