"""The house's own rules, which no linter holds: short functions and files, arguments by keyword, one path to a name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "model", "consumers", "serving")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
}
MOST_LINES = 40  # of a function, without its docstring
MOST_POSITIONAL = 4  # arguments of a constructor
MOST_FILE_LINES = 300
ONE_LIST = "config.settings"  # of settings: it may be longer

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_no_function_is_longer_than_forty_lines():
    long = [
        f"{module}:{function.lineno} {function.name}: {lines}"
        for module, tree in MODULES.items()
        for function in functions(tree)
        if (lines := length(function)) > MOST_LINES
    ]

    assert long == []


def test_no_file_is_longer_than_three_hundred_lines():
    long = {
        module: lines
        for module in MODULES
        if (lines := len(path_of(module).read_text("utf-8").splitlines())) > MOST_FILE_LINES
    }

    assert set(long) <= {ONE_LIST}


def test_constructors_take_more_than_four_arguments_by_keyword():
    classes = {node.name for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    found = [
        f"{module}:{call.lineno} {name}: {len(call.args)} positional"
        for module, tree in MODULES.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and (name := called(call)) in classes and len(call.args) > MOST_POSITIONAL
    ]

    assert found == []


def test_a_name_is_imported_from_where_it_is_defined():
    found = [
        f"{module}: {name} from {source}"
        for module, tree in MODULES.items()
        for source, name in imported(tree)
        if source in MODULES and name not in defined(MODULES[source])
    ]

    assert found == []


def test_no_package_does_more_than_say_what_it_is_for():
    assert [module for module, tree in MODULES.items() if module.endswith("__init__") and len(tree.body) != 1] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    '''Words,\n\n    many.\n    '''\n    a = 1\n\n    return a\n", 4),
        ("def f(\n    a,\n):\n    return a\n", 4),
    ],
)
def test_a_docstring_is_not_counted(source, lines):
    (function,) = functions(ast.parse(source))

    assert length(function) == lines


def path_of(module: str) -> Path:
    """The file of a module."""
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from `def` to the end, without those of the docstring; decorators are not counted."""
    assert function.end_lineno is not None
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def called(call: ast.Call) -> str:
    """The name of what is called, without what it is an attribute of."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=ast.Name(id=name)):
            return name
    return ""


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every `from ... import ...`, late ones too; a package stands for its `__init__`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            source = f"{node.module}.__init__" if f"{node.module}.__init__" in MODULES else node.module
            for alias in node.names:
                if f"{node.module}.{alias.name}" not in MODULES:  # else it is a module of the package
                    yield source, alias.name


def defined(tree: ast.Module) -> set[str]:
    """Names that a module binds itself, at its top level."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names
