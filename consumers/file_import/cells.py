r"""What stands in a cell, as SQL: text without padding, and ids that are the same id however a tool wrote them.

In: a column's SQL and DuckDB's name of its type. Out: SQL expressions, NULL where a cell holds nothing. Promise: a word
that stands for nothing (`NULL`, `nan`, `\N` ...) is never an id; leading zeros are kept; 17850.0 is 17850.
"""

import re

NULL_WORDS = (
    *("null", "(null)", "<null>", "[null]", "#null!", "nil", "none", "(none)", "<none>", "nan", "<nan>", "nat"),
    *("na", "<na>", "n/a", "#n/a", "n.a.", "n/d", "\\n", "undefined", "(not set)", "(blank)"),
    *("#ref!", "#value!", "#name?", "#div/0!", "#num!", "-", "--", "?"),
)
"""What stands for nothing, in any capitals."""

_FRACTIONS = {"FLOAT": 16_777_216, "DOUBLE": 9_007_199_254_740_992}  # from here on they skip whole numbers
_NUMBERS = re.compile(r"FLOAT|DOUBLE|DECIMAL|(U|HUGE|UHUGE|BIG|UBIG|SMALL|USMALL|TINY|UTINY)?INT(EGER)?|UINTEGER")

# RE2 as DuckDB has it. No-break, thin and wide spaces are \p{Z}; the others have no width.
_PADDING = r"[\s\p{Z}\x{200B}\x{200C}\x{200D}\x{2060}\x{FEFF}]+"
_INVISIBLE = r"[\x{200B}\x{2060}\x{FEFF}]"
# Nearly every cell: nothing to trim, no word for nothing, as an id no fraction. Seen at once: ten times as fast.
_ORDINARY_TEXT = "([!-<>-~][ -~]*)?[1-9]([ -~]*[!-~])?"
_ORDINARY_ID = "([!-+/-<>-~-][ -+/-~-]*)?[1-9]([ -+/-~-]*[!-+/-~-])?"
_SCIENTIFIC = r"[-+]?([0-9]+[.,][0-9]+[eE][-+]?|[0-9]+[eE]\+)[0-9]{1,3}"
_WHOLE = r"[-+]?[0-9]+(\.0+|,0{1,2})"


def is_numeric(kind: str) -> bool:
    """Whether DuckDB's type is one of numbers."""
    return _NUMBERS.fullmatch(kind.partition("(")[0]) is not None


def text(column: str | None, kind: str = "VARCHAR") -> str:
    """SQL of a cell's text without padding; NULL where nothing, or a word for nothing, stands in it."""
    if column is None:
        return "CAST(NULL AS VARCHAR)"
    if kind in _FRACTIONS:
        whole = f"{column} = trunc({column}) AND abs({column}) < 1e30"
        return (
            f"CASE WHEN NOT isfinite({column}) THEN NULL WHEN {whole}"
            f" THEN CAST(CAST({column} AS HUGEINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
        )
    if is_numeric(kind):
        return f"CAST({column} AS VARCHAR)"
    return _unless_ordinary(f"CAST({column} AS VARCHAR)", _ORDINARY_TEXT, without_null_words(trimmed("each")))


def identity(column: str | None, kind: str = "VARCHAR") -> str:
    """SQL of a cell as an id: its text, a whole number without its `.0`.

    A fraction too large to be exact comes in scientific notation, for `is_scientific` to find.
    """
    if column is None:
        return text(None)
    if kind in _FRACTIONS:
        exact = f"abs({column}) < {_FRACTIONS[kind]} OR NOT isfinite({column})"
        return f"CASE WHEN {exact} THEN {text(column, kind)} ELSE format('{{:.5e}}', {column}) END"
    if is_numeric(kind):
        return rf"regexp_replace(CAST({column} AS VARCHAR), '\.0+$', '')"
    whole = _whole(without_null_words(trimmed("each")))
    return _unless_ordinary(f"CAST({column} AS VARCHAR)", _ORDINARY_ID, whole)


def is_scientific(name: str) -> str:
    """SQL that is true for an id such as 1.23E+05: a spreadsheet has cut its digits off."""
    return f"(({name} LIKE '%e%' OR {name} LIKE '%E%') AND regexp_full_match({name}, '{_SCIENTIFIC}'))"


def trimmed(value: str) -> str:
    """SQL of a text without padding and invisible characters, and without Excel's ="…" around it."""
    bare = f"regexp_replace(regexp_replace({value}, '{_INVISIBLE}', '', 'g'), '^{_PADDING}|{_PADDING}$', '', 'g')"
    return f"nullif(regexp_replace({bare}, '^=\"(.*)\"$', '\\1'), '')"


def without_null_words(value: str) -> str:
    """SQL of a text that is NULL where it is one of NULL_WORDS."""
    words = ", ".join("'" + word.replace("'", "''") + "'" for word in NULL_WORDS)
    return f"CASE WHEN lower({value}) IN ({words}) THEN NULL ELSE {value} END"


def _whole(value: str) -> str:
    return (
        f"list_transform([{value}], lambda id: CASE WHEN regexp_full_match(id, '{_WHOLE}')"
        " THEN regexp_replace(id, '[.,]0+$', '') ELSE id END)[1]"
    )


def _unless_ordinary(value: str, ordinary: str, otherwise: str) -> str:
    """`otherwise` names the text `each`."""
    rest = f"list_transform([{value}], lambda each: {otherwise})[1]"
    return f"CASE WHEN regexp_full_match({value}, '{ordinary}') THEN {value} ELSE {rest} END"
