"""Which rows are meant: `--where COLUMN=VALUE`, for status, kind of event, refunds.

In: conditions as they were written. Out: SQL of the reason why a row is not meant. Promise: a row that is left out for
a condition is counted under that condition, in the words the user wrote.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consumers.file_import.cells import identity
from consumers.file_import.tables import WHERE, TableFile, literal, quoted


class UnfitCondition(Exception):
    """Raised for a --where that is none; the text says how one is written."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A column and the values it must have, or must not have; "" is an empty cell."""

    column: str
    values: tuple[str, ...]
    unlike: bool = False

    def __str__(self) -> str:
        sign = "!=" if self.unlike else "="
        return f"{self.column}{sign}{','.join(self.values)}"


def conditions(given: Iterable[str]) -> tuple[Condition, ...]:
    """Read conditions; the values of one column are alternatives. Raises UnfitCondition."""
    found: dict[tuple[str, bool], Condition] = {}
    for text in given:
        parts = re.fullmatch(r"\s*(.+?)\s*(!=|=)(.*)", text, re.DOTALL)
        if parts is None:
            raise UnfitCondition(
                f"{text!r} is no condition: write COLUMN=VALUE or COLUMN!=VALUE, several values with commas"
            )
        column, unlike = parts[1], parts[2] == "!="
        before = found.get((column.casefold(), unlike), Condition(column, (), unlike))
        found[column.casefold(), unlike] = Condition(column, (*before.values, parts[3].strip()), unlike)
    return tuple(found.values())


def not_meant(table: TableFile, wanted: Sequence[Condition]) -> str:
    """SQL of why a row is not meant, NULL for one that is. Raises UnreadableFile for a column that is not there."""
    cases = []
    for condition in wanted:
        column = table.find(condition.column, WHERE)
        meant = _meets(quoted(column), table.types[column], condition.values)
        cases.append(
            f"WHEN {'' if condition.unlike else 'NOT '}{meant} THEN {literal(f'left out by --where {condition}')}"
        )
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"


def _meets(column: str, kind: str, values: Sequence[str]) -> str:
    """Capitals and padding do not count; a value with a comma in it is also looked for as a whole."""
    choices = {part.strip().lower() for value in values for part in (value, *value.split(","))}
    written = f"lower(trim(CAST({column} AS VARCHAR)))"
    within = ", ".join(literal(choice) for choice in sorted(choices))
    cell = f"lower(coalesce({identity(column, kind)}, ''))"
    return f"({cell} IN ({within}) OR coalesce({written} IN ({within}), false))"
