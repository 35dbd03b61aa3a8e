"""`alsobought ask`: a real request over Kafka, its reply as a table or as JSON."""

import json
from collections.abc import Mapping
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from config.settings import Settings
from consumers.from_settings import clients_of
from serving.cli.options import command, settings_options
from serving.client.client import Client, NoReply, RequestRefused
from serving.reports.progress import plain
from serving.runtime.logs import set_up_logging

_WIDE = 160
_NAMED_TOGETHER = 10  # products whose titles one request asks for


@command(
    example="""
    alsobought ask c-42
    alsobought ask c-42 --kind similar --product teapot --k 5 --json
    """
)
@click.argument("profile", help="The customer's profile id.")
@click.option("--kind", default="recs", show_default=True, help="recs, popular, similar or all.")
@click.option("--k", type=int, help="How many products.")
@click.option("--brand-id", help="Only products of this brand.")
@click.option("--product", "products", multiple=True, metavar="ID", help="A product page or a basket; may be repeated.")
@click.option("--exclude", multiple=True, metavar="ID", help="Leave this product out; may be repeated.")
@click.option("--only", multiple=True, metavar="ID", help="Choose among these products only; may be repeated.")
@click.option("--with-purchased", is_flag=True, help="Products that the customer has bought may come too.")
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=0.1, max=3600),
    default=10,
    show_default=True,
    help="How long to wait for the reply.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the reply as it came.")
@settings_options("requests_topic", "replies_topic")
def ask(settings: Settings, *, profile: str, timeout_s: float, as_json: bool, **asked: Any) -> None:
    """Ask the running service what PROFILE should be offered next, over Kafka."""
    set_up_logging(settings.log_format, "error" if settings.log_level == "info" else settings.log_level)
    clients = clients_of(settings)
    client = Client(clients, settings.requests_topic, settings.replies_topic)
    try:
        reply = client.ask(_body(profile, **asked), timeout_s)
        titles = {} if as_json else _titles(client, reply, timeout_s)
    finally:
        client.close()
    if as_json:
        click.echo(json.dumps(reply, indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:  # into a file or a pipe: nothing is cut off
            console.width = max(console.width, _WIDE)
        _show(console, reply, titles)


def _titles(client: Client, reply: dict[str, Any], timeout_s: float) -> dict[str, str]:
    """The titles of products by id: of those in the reply, and of those in its reasons by a request more."""
    titles = {item["product_id"]: item["title"] for item in reply["recommendations"] if item["title"]}
    reasons = {reason for item in reply["recommendations"] for reason in item["because"]} - titles.keys()
    if not reasons:
        return titles
    body = {"profile_id": reply["profile_id"], "kind": "popular", "exclude_purchased": False}
    wanted = sorted(reasons)
    for some in (wanted[at : at + _NAMED_TOGETHER] for at in range(0, len(wanted), _NAMED_TOGETHER)):
        try:
            named = client.ask(body | {"k": len(some), "filters": {"only": some}}, timeout_s)
        except (NoReply, RequestRefused):  # the answer is there; without titles it shows ids
            break
        titles |= {item["product_id"]: item["title"] for item in named["recommendations"] if item["title"]}
    return titles


def _body(
    profile: str,
    *,
    kind: str,
    k: int | None,
    brand_id: str | None,
    products: tuple[str, ...],
    exclude: tuple[str, ...],
    only: tuple[str, ...],
    with_purchased: bool,
) -> dict[str, Any]:
    filters = {name: list(ids) for name, ids in (("exclude", exclude), ("only", only)) if ids}
    body = {
        "profile_id": profile,
        "kind": kind,
        "k": k,
        "brand_id": brand_id,
        "product_ids": list(products),
        "filters": filters,
        "exclude_purchased": not with_purchased,
    }
    return {name: value for name, value in body.items() if value is not None}


def _show(console: Console, reply: dict[str, Any], titles: Mapping[str, str]) -> None:
    mark = reply["watermark"]
    console.print(plain(f"{reply['profile_id']}  model {reply['model_version'] or 'none'}", "bold"))
    console.print(plain(f"knows purchases[{mark['partition']}] up to offset {mark['offset']}", "dim"))
    if reply["degraded"]:
        console.print(plain(f"not the model's answer: {reply['degraded']}", "yellow"))
    if reply["recommendations"]:
        console.print(_table(reply["recommendations"], titles, several=reply["kind"] == "all"))
    short = reply["shortfall"]
    if short:
        console.print(plain(f"{short['given']} of {short['asked']}: {short['why']}", "yellow"))


def _table(items: list[dict[str, Any]], titles: Mapping[str, str], *, several: bool) -> Table:
    """As wide as the screen where the words need it: titles and reasons share what the short columns leave."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (*(["kind"] if several else []), "product", "title", "price", "score", "strategy", "because of"):
        long = name in ("title", "because of")
        table.add_column(
            name, justify="right" if name in ("price", "score") else "left", no_wrap=not long, overflow="fold"
        )
    for item in items:
        price = "" if item["price"] is None else f"{item['price']:.2f}"
        cells = [item["product_id"], item["title"] or "", price, f"{item['score']:.2f}", item["strategy"]]
        cells = [item["kind"], *cells] if several else cells
        because = ", ".join(titles.get(reason, reason) for reason in item["because"])
        table.add_row(*map(plain, cells), plain(because))
    return table
