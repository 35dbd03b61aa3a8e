"""How long a real shop takes from a file to answers, in how much disk and memory, and whether the answers make sense.

`alsobought import` sends online_retail through the official broker to a running `alsobought run` (worker and trainer,
shipped settings); then five customers are asked for, and their last purchases printed beside what they are recommended.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import psutil

from config.settings import Settings
from consumers.kafka.clients import KafkaClients
from model.store.reader import read_contents, read_watermark
from model.store.schema import StoreUnavailable
from serving.client.client import Client
from serving.runtime.logs import set_up_logging
from tests.benchmarks.options import Options
from tests.benchmarks.setting import ROOT, introduce, java_broker, number, real_data, scratch, table, until
from tests.benchmarks.trials import TOPICS
from tests.benchmarks.verdicts import Verdicts
from tests.kafka.brokers.java import JavaBroker
from tests.kafka.support.background import Background
from tests.kafka.support.service import Service

_CUSTOMERS = (
    "SELECT customer_id FROM read_parquet(?) GROUP BY customer_id "
    "HAVING count(DISTINCT order_id) >= 4 AND count(DISTINCT product_id) BETWEEN 20 AND 200 ORDER BY customer_id"
)
_LAST = (
    "SELECT product_id, max(ts) AS bought, max(quantity * price) AS spent FROM read_parquet(?) "
    "WHERE customer_id = ? GROUP BY product_id ORDER BY bought DESC, spent DESC, product_id LIMIT ?"
)
_MEMORY = "greatest memory of a worker, from an empty folder to answers of a real shop"
_WIDTH = 38


class Memory(Background):
    """The greatest resident memory of the worker and of the trainer, looked at ten times a second."""

    def __init__(self, service: Service) -> None:
        super().__init__("memory")
        self.worker_mb = self.trainer_mb = 0.0
        self._worker = psutil.Process(service.process.pid)

    def work(self) -> None:
        while not self.ended.wait(0.1):
            try:
                self.worker_mb = max(self.worker_mb, _resident_mb(self._worker))
                for child in self._worker.children():  # beside the trainer only multiprocessing's small tracker
                    self.trainer_mb = max(self.trainer_mb, _resident_mb(child))
            except psutil.NoSuchProcess:
                continue


def _resident_mb(process: psutil.Process) -> float:
    return process.memory_info().rss / 2**20


def main() -> None:
    options = Options(__doc__)
    options.size("--customers", 5, 1, "how many to ask for")
    options.size("--k", 6, 6)
    options.size("--seed", 5, 5, "chooses the customers")
    options.size("--epochs", Settings().epochs, 1)
    options.size("--calibrate-hours", Settings().calibrate_hours, 0)
    chosen = options.chosen()
    verdicts = Verdicts.of(chosen)
    data = real_data()
    if data is None:
        verdicts.not_measured(_MEMORY, "it needs the real purchases, named in ALSOBOUGHT_DATA")
        return
    set_up_logging("console", "error")
    shop = data / "online_retail"
    introduce(
        "From a file of real purchases to answers", purchases=shop.name, bytes=_size(shop / "transactions.parquet")
    )
    settings = {"epochs": str(chosen.epochs), "calibrate_hours": str(chosen.calibrate_hours)}
    with scratch() as folder, java_broker(folder) as broker:
        service = Service(broker, TOPICS, folder / "service", group="bench", settings=settings)
        try:
            service.start()
            rows, memory = _journey(broker, service, shop, chosen)
            service.stop()
        finally:
            service.kill()
        lines = len(read_contents(Settings(data_dir=service.data_dir).database).histories.products)
        size = _size(Settings(data_dir=service.data_dir).database)
    rows.append(
        ("database, closed", f"{size / 2**20:.1f} MiB: {number(size / lines)} bytes for each of {lines:,} lines")
    )
    table(("what", "figure"), rows)
    verdicts.at_most(_MEMORY, memory.worker_mb, 300, " MB")
    verdicts.at_most("bytes of the closed database for each line of a real shop", size / lines, 25)


def _journey(
    broker: JavaBroker, service: Service, shop: Path, chosen: argparse.Namespace
) -> tuple[list[tuple[str, str]], Memory]:
    """The rows of the table, and the memory that was needed meanwhile."""
    with Memory(service) as memory:
        begin = time.monotonic()
        sent = _import(broker, shop)
        imported_s = time.monotonic() - begin
        until(service, lambda: _stored(service) >= sent["purchases"]["orders"], "every order is stored", 300)
        stored_s = time.monotonic() - begin
        until(service, lambda: service.metric("alsobought_model_version") > 0, "a model answers", 900)
        model_s = time.monotonic() - begin
        _answers(broker, shop, chosen)
    (trained, *_) = [line for line in service.log_lines() if line.get("event") == "model_trained"]
    purchases, out = sent["purchases"], sent["purchases"]["sent"]
    lines = purchases["lines"]
    learnt = f"{trained['lines']:,} lines, {trained['customers']:,} customers, {trained['products']:,} products"
    rows = [
        ("in the file", f"{lines:,} lines in {purchases['orders']:,} orders"),
        ("sending", f"{out['seconds']:.1f} s: {out['lines_per_s']:,} lines/s"),
        ("import command", f"{imported_s:.1f} s with start, reading and sorting: {lines / imported_s:,.0f} lines/s"),
        ("all stored", f"{stored_s:.1f} s after the command began: {lines / stored_s:,.0f} lines/s"),
        ("training", f"{trained['learning_s']:.1f} s, with reading and writing {trained['seconds']:.1f} s: {learnt}"),
        ("a model answers", f"{model_s:.1f} s after the command began"),
        ("greatest memory", f"worker {memory.worker_mb:.0f} MB, trainer {memory.trainer_mb:.0f} MB"),
    ]
    return rows, memory


def _import(broker: JavaBroker, shop: Path) -> dict[str, Any]:
    """What the command reports as JSON."""
    command = [
        sys.executable, "-m", "serving", "import", str(shop / "transactions.parquet"), "--json",
        "--products", str(shop / "products.csv"), "--bootstrap-servers", broker.bootstrap,
    ]  # fmt: skip
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ALSOBOUGHT_")}
    said = subprocess.run(command, cwd=ROOT, env=ours, stdout=subprocess.PIPE, text=True, check=True).stdout
    report: dict[str, Any] = json.loads(said)
    return report


def _stored(service: Service) -> int:
    try:
        return read_watermark(Settings(data_dir=service.data_dir).database).events
    except StoreUnavailable:
        return 0


def _size(path: Path) -> int:
    return path.stat().st_size


def _answers(broker: JavaBroker, shop: Path, chosen: argparse.Namespace) -> None:
    """Print what customers bought last beside what they are recommended."""
    titles = dict(
        duckdb.execute(
            "SELECT product_id, title FROM read_csv(?, all_varchar=true)", [_path(shop, "products.csv")]
        ).fetchall()
    )
    everybody = [row[0] for row in duckdb.execute(_CUSTOMERS, [_path(shop, "transactions.parquet")]).fetchall()]
    client = Client(KafkaClients(broker.bootstrap, {}), TOPICS.requests, TOPICS.replies)
    try:
        for profile in random.Random(chosen.seed).sample(everybody, chosen.customers):
            reply = client.ask({"profile_id": profile, "k": chosen.k}, 20)
            bought = duckdb.execute(_LAST, [_path(shop, "transactions.parquet"), profile, chosen.k]).fetchall()
            _side_by_side(profile, [titles.get(row[0], row[0]) for row in bought], reply, titles)
    finally:
        client.close()


def _side_by_side(profile: str, bought: Sequence[str], reply: dict[str, Any], titles: dict[str, str]) -> None:
    offered = [
        (f"{item['title'] or item['product_id']}"[:_WIDTH], f"{item['score']:.2f}",
         titles.get(item["because"][0], "")[:_WIDTH] if item["because"] else "")
        for item in reply["recommendations"]
    ]  # fmt: skip
    empty = ("", "", "")
    rows = [
        (
            bought[at][:_WIDTH] if at < len(bought) else "",
            *(offered[at] if at < len(offered) else empty),
        )
        for at in range(max(len(bought), len(offered)))
    ]
    degraded = f", degraded: {reply['degraded']}" if reply["degraded"] else ""
    table(
        (
            f"customer {profile} bought last",
            f"is recommended ({reply['model_version'].split('-')[0]}{degraded})",
            "score",
            "because of",
        ),
        rows,
    )


def _path(shop: Path, name: str) -> str:
    return str(shop / name)


if __name__ == "__main__":
    main()
