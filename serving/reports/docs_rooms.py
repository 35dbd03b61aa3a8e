"""The plan of the house for docs/architecture.md: every package with its sentence, on the floor that it stands on.

In: the packages of a checkout (the docstring of each `__init__.py`, not imported) and the floors that `make imports`
holds them to (the layers of import-linter in pyproject.toml). Out: Markdown, the same on every machine.
"""

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
FOLDERS = ("serving", "consumers", "model", "config")  # the upper may import the lower ones
_BEGIN, _END = "<!-- rooms: written by `make docs` -->", "<!-- /rooms -->"
_NAME_WIDTH = 18


def with_plan(page: str, checkout: Path = CHECKOUT) -> str:
    """Return the page with the plan anew between its two markers. Raises `ValueError` where it has not both."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"no place for the plan: a line {_BEGIN} and a line {_END} mark it")
    return f"{before}{begin}\n\n```text\n{plan(checkout)}```\n\n{end}{after}"


def plan(checkout: Path = CHECKOUT) -> str:
    """Every folder and its rooms, a line each, the highest first; floors have numbers where there are several."""
    layers = _layers(checkout)
    lines: list[str] = []
    for folder in FOLDERS:
        lines += ["", f"{f'{folder}/':{_NAME_WIDTH + 5}}{sentence(checkout / folder)}"]
        floors = _floors(rooms(checkout / folder), layers.get(folder, ()))
        told = len(floors) > 1
        for height, floor in zip(range(len(floors), 0, -1), floors, strict=True):
            for at, room in enumerate(floor):
                number = str(height) if told and not at else ""
                lines.append(f"  {number:3}{room:{_NAME_WIDTH}}{sentence(checkout / folder / room)}")
    return "\n".join(lines[1:]) + "\n"


def rooms(folder: Path) -> list[str]:
    """The packages in a folder, by name; with them the modules beside them, which are rooms of one file."""
    packages = [path.parent.name for path in folder.glob("*/__init__.py")]
    beside = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")]
    return sorted([*packages, *beside]) if packages else []


def sentence(room: Path) -> str:
    """The first sentence of a package's or a module's docstring."""
    source = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
    told = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s", " ".join(told.split()), maxsplit=1)[0]


def _layers(checkout: Path) -> dict[str, Sequence[str]]:
    """The layers inside each folder, the highest first, as import-linter has them."""
    with (checkout / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return {
        container: contract["layers"]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", ())
    }


def _floors(there: Sequence[str], layers: Sequence[str]) -> list[list[str]]:
    """The rooms that are there, by floor; those that no layer names stand on a floor of their own, the highest."""
    named = [[room.strip(" ()") for room in re.split(r"[|:]", layer)] for layer in layers]
    left = [room for room in there if not any(room in floor for floor in named)]
    return [floor for floor in ([room for room in rooms_ if room in there] for rooms_ in (left, *named)) if floor]
