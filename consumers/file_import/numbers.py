r"""Quantities and prices as people write them: decimal comma, thousands, currency signs and codes, a minus at the end.

In: a column of texts. Out: how the column writes numbers, decided from all of it, and SQL that reads them so. Promise:
1.234 is never taken for one thing in one row and another in the next; what fits the column's way in no manner is NULL.
"""

from dataclasses import dataclass

import duckdb

from consumers.file_import.tables import literal

_CODES = (
    "aed|ars|aud|bgn|brl|cad|chf|clp|cny|cop|czk|dkk|egp|eur|euros?|gbp|hkd|huf|idr|ils|inr|isk|jpy|krw|kzt|mad|mxn|"
    "myr|ngn|nok|nzd|pen|php|pkr|pln|ron|rsd|rub|sar|sek|sgd|thb|try|twd|uah|usd|vnd|zar"
)
_SIGNS = (
    r"(?:(?:us|au|ca|nz|hk|mx|r|a|c|s)?\$|\p{Sc}|kr\.?|zł|zl|kč|ft|lei|rs\.?|s?fr\.?|tl"
    r"|\x{43B}\x{432}\.?|\x{440}\x{443}\x{431}\.?|\x{440}\.)"  # leva, roubles
)
_MONEY = rf"(?i:{_CODES}|{_SIGNS})"
_GAP = r"[\s\p{Z}\x{27}\x{2019}]"  # spaces of any width and apostrophes

_PLAIN = r"-?[0-9]+(\.[0-9]+)?"
# What can be read in one way only. With three digits behind a single mark it can be a fraction or thousands.
_BY_COMMA = (
    r"[-+]?([0-9]*,([0-9]{1,2}|[0-9]{4,})|([0-9]{4,}|0+)?,[0-9]{3}|[0-9]{1,3}(\.[0-9]{3})+,[0-9]*"
    r"|[0-9]{1,3}(\.[0-9]{3}){2,})"
)
_BY_POINT = (
    r"[-+]?([0-9]*\.([0-9]{1,2}|[0-9]{4,})|([0-9]{4,}|0+)?\.[0-9]{3}|[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}\.[0-9]*"
    r"|[0-9]{1,3}(,[0-9]{2,3})+,[0-9]{3})"
)
EITHER = r"[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}"
"""A number that is a fraction or thousands."""

_EXAMPLES = 3
_UNREAD = "SELECT row, price_unread FROM staged WHERE price_unread IS NOT NULL ORDER BY row LIMIT ?"


@dataclass(frozen=True, slots=True)
class Style:
    """How a column writes numbers."""

    decimal: str = "."
    thousands: str = ""  # the other mark, where it is known what it means
    open_to_both: int = 0  # cells such as 1.234, where nothing in the column tells what they mean

    @classmethod
    def by(cls, decimal: str) -> "Style":
        """The style with this decimal mark."""
        return cls(decimal, "." if decimal == "," else ",")


def bare(name: str) -> str:
    """SQL of a number's text without currency, gaps between thousands and other dress; the minus goes in front."""
    money = (
        rf"regexp_replace(regexp_replace(each, '^([-+(]?)\s*(?:{_MONEY})\s*', '\1'), '\s*(?:{_MONEY})([-)]?)$', '\1')"
    )
    short = (
        rf"CASE WHEN regexp_full_match(each, '[-+]?[0-9]{{1,3}}({_GAP}[0-9]{{3}})+([.,][0-9]*)?')"
        rf" THEN regexp_replace(each, '{_GAP}', '', 'g') ELSE each END"
    )
    steps = (
        r"regexp_replace(each, '[\x{2212}\x{2013}]', '-', 'g')",
        money,
        r"regexp_replace(each, '^\((.*)\)$', '-\1')",
        r"regexp_replace(each, '[.,]-+$', '')",  # 12,- is twelve
        r"regexp_replace(each, '^([^-].*)-$', '-\1')",
        r"regexp_replace(each, '^([-+])\s+', '\1')",
        short,
    )
    dressed = name
    for step in steps:
        dressed = f"list_transform([{dressed}], lambda each: {step})[1]"
    return f"CASE WHEN {name} IS NULL OR regexp_full_match({name}, '{_PLAIN}') THEN {name} ELSE {dressed} END"


def styles(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: dict[str, bool],
    decimal: str | None,
    *,
    times: str = "count(*)",
) -> list[Style]:
    """How each of `columns` of a table writes its numbers; by name, with whether it is typed and has no style.

    A column in which nothing decides follows the others. `decimal` is what was named: then nothing is found out.
    `times` is SQL of how often a group of rows counts.
    """
    if decimal:
        return [Style() if typed else Style.by(decimal) for typed in columns.values()]
    found = {name: (0, 0, 0) if typed else _seen(connection, table, name, times) for name, typed in columns.items()}
    commas, points = (sum(seen[at] for seen in found.values()) for at in (0, 1))
    return [Style() if typed else _style(found[name], commas, points) for name, typed in columns.items()]


def _seen(connection: duckdb.DuckDBPyConnection, table: str, name: str, times: str) -> tuple[int, int, int]:
    counts = ", ".join(
        f"coalesce(sum(times) FILTER (regexp_full_match({name}, {literal(pattern)})), 0)::BIGINT"
        for pattern in (_BY_COMMA, _BY_POINT, EITHER)
    )
    counted = f"(SELECT {name}, {times} AS times FROM {table} GROUP BY ALL)"
    row = connection.execute(f"SELECT {counts} FROM {counted}").fetchone()
    assert row is not None
    return row


def _style(seen: tuple[int, int, int], commas: int, points: int) -> Style:
    own_commas, own_points, either = seen
    if own_commas or own_points:
        commas, points = own_commas, own_points
    if not commas and not points:
        return Style(open_to_both=either)
    return Style.by("," if commas > points else ".")


def number(name: str, style: Style) -> str:
    """SQL of a bare number as DOUBLE; NULL for what the style does not write."""
    point = "\\." if style.decimal == "." else ","
    grouped = f"|[0-9]{{1,3}}([{style.thousands}][0-9]{{2,3}})*[{style.thousands}][0-9]{{3}}" if style.thousands else ""
    pattern = f"[-+]?([0-9]+{grouped})?({point}[0-9]*)?([eE][-+]?[0-9]+)?"
    digits = f"replace({name}, '{style.thousands}', '')" if style.thousands else name
    return (
        f"CASE WHEN regexp_full_match({name}, '{pattern}')"
        f" THEN try_cast(replace({digits}, '{style.decimal}', '.') AS DOUBLE) END"
    )


def open_to_both(what: str, style: Style) -> str:
    """What to say of a column in which nothing tells 1.234 from 1,234."""
    return (
        f"{what}: {style.open_to_both:,} cells such as 1.234 or 1,234 could be fractions or thousands and nothing in "
        "the column tells; the point was taken for the fraction's, a comma is not guessed: --decimal decides"
    )


def prices_not_understood(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[tuple[int, str], ...]]:
    """How many lines count without the price that stands in them, and the first few: row and text."""
    total = connection.execute("SELECT count(price_unread) FROM staged").fetchone()
    assert total is not None
    return total[0], tuple(connection.execute(_UNREAD, [_EXAMPLES]).fetchall())
