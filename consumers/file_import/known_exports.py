"""What shops and tools call their columns: a mapping for each known export, and the likely columns for a missing one.

In: the columns of a file, what is missing. Out: names. Promise: pure; an export is recognised only if customer, product
and time are all there under its names.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Export:
    """The files of a shop or tool: names that its columns go by, the likeliest first."""

    title: str
    columns: Mapping[str, tuple[str, ...]]
    fill_down: bool = False
    unnest: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()  # time columns that hold no time, only the how manieth: those need a time format


EXPORTS = {
    "shopify": Export(
        "Shopify",
        {
            "customer": ("Email", "Customer ID", "Customer Email"),
            "product": ("Lineitem sku", "Lineitem name"),
            "time": ("Created at", "Paid at"),
            "order": ("Name", "Id", "Order"),
            "quantity": ("Lineitem quantity",),
            "price": ("Lineitem price",),
        },
        fill_down=True,
    ),
    "woocommerce": Export(
        "WooCommerce",
        {
            "customer": ("customer_id", "customer_user", "Customer User ID", "billing_email", "Email (Billing)"),
            "product": ("item_sku", "item_product_id", "Product Id", "SKU", "line_items", "product_id"),
            "time": ("order_date", "date_created", "date_created_gmt", "Order Date", "date"),
            "order": ("order_id", "order_number", "Order Number", "id"),
            "quantity": ("item_quantity", "product_qty", "Quantity"),
            "price": ("item_price", "Item Cost"),
        },
    ),
    "magento": Export(
        "Magento",
        {
            "customer": ("customer_id", "customer_email", "Customer Email"),
            "product": ("sku", "product_id", "product_sku"),
            "time": ("created_at", "Purchase Date"),
            "order": ("increment_id", "order_id", "entity_id"),
            "quantity": ("qty_ordered", "qty_invoiced"),
            "price": ("base_price", "price"),
        },
    ),
    "ga4": Export(
        "Google Analytics 4",
        {
            "customer": ("user_id", "user_pseudo_id"),
            "product": ("items.item_id", "item_id"),
            "time": ("event_timestamp", "event_date"),
            "order": ("ecommerce.transaction_id", "transaction_id"),
            "quantity": ("items.quantity", "quantity"),
            "price": ("items.price", "items.price_in_usd", "price"),
        },
        unnest=("items",),
    ),
    "instacart": Export(
        "Instacart",
        {
            "customer": ("user_id",),
            "product": ("product_id",),
            "time": ("order_date", "order_timestamp", "created_at", "order_number"),
            "order": ("order_id",),
            "quantity": (),
            "price": (),
        },
        counts=("order_number",),
    ),
    "uci": Export(
        "UCI Online Retail",
        {
            "customer": ("CustomerID", "Customer ID"),
            "product": ("StockCode",),
            "time": ("InvoiceDate",),
            "order": ("InvoiceNo", "Invoice"),
            "quantity": ("Quantity",),
            "price": ("UnitPrice", "Price"),
        },
    ),
}
NEEDED = ("customer", "product", "time")
_WORDS: dict[str, tuple[str, ...]] = {
    "customer": (
        "customerid", "customer", "userid", "user", "clientid", "client", "profileid", "visitorid", "memberid", "email",
        "householdkey", "buyer", "kunde", "kundennummer", "cliente", "userpseudoid", "shopper", "account", "uid",
    ),
    "product": (
        "productid", "product", "sku", "itemid", "item", "stockcode", "articleid", "article", "artikel", "lineitemsku",
        "asin", "producto", "prodid", "pid", "id",
    ),
    "time": (
        "timestamp", "ts", "time", "date", "datetime", "orderdate", "createdat", "invoicedate", "purchasedat", "datum",
        "occurredat", "eventtime", "when", "day", "fecha", "zeit", "transdt",
    ),
    "order": (
        "orderid", "order", "invoiceno", "invoice", "basketid", "transactionid", "receipt", "ordernumber", "bestellung",
        "bestellnummer", "cartid", "checkid",
    ),
    "quantity": ("quantity", "qty", "menge", "amount", "count", "units", "anzahl", "cantidad"),
    "price": ("price", "unitprice", "preis", "precio", "itemprice", "salesvalue", "cost"),
    "brand": ("brandid", "brand", "shop", "store", "tenant", "vendor"),
    "title": ("title", "name", "productname", "description", "bezeichnung", "titel"),
    "category": ("category", "producttype", "categoryid", "department", "aisle", "kategorie"),
    "withdrawn": ("withdrawn", "deleted", "discontinued", "inactive", "availability"),
}  # fmt: skip


def recognised(there: Collection[str], lists: Collection[str] = ()) -> list[str]:
    """Keys of EXPORTS whose customer, product and time columns are all in a file; `lists`: fields in its lists."""
    names = {name.casefold() for name in (*there, *lists)}
    return [
        key
        for key, export in EXPORTS.items()
        if all(any(name.casefold() in names for name in export.columns[what]) for what in NEEDED)
    ]


def chosen(export: Export, there: Collection[str]) -> dict[str, str | None]:
    """The names that a file uses for what an export has; None where it has none."""
    spelled = {name.casefold(): name for name in there}
    return {
        what: next((spelled[name.casefold()] for name in names if name.casefold() in spelled), None)
        for what, names in export.columns.items()
    }


def likely(what: str, name: str, there: Iterable[str]) -> str | None:
    """The column that was most probably meant by `name`, which stands for `what`; None when none comes near."""
    plain = {_plain(column.rsplit(".", 1)[-1]): column for column in there}
    words = (_plain(name), *_WORDS.get(what, ()))
    for word in words:
        if word in plain:
            return plain[word]
    for word in words:
        if len(word) > 3 and (within := [each for each in plain if word in each]):  # noqa: PLR2004 - short words are in many
            return plain[min(within, key=len)]
    close = get_close_matches(_plain(name), plain, 1, 0.75)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
