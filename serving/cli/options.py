"""Commands and their options: settings become flags by their names, so a flag cannot part from its setting.

`command(example=…)` makes a command, `command_group` one with commands of its own; `settings_options(…)` gives a
command the flags and hands it a Settings object.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic import SecretStr

from config.descriptions import PROPERTIES, default_value, flag_of, value_type
from config.loading import load_settings
from config.settings import Settings

TRAINING = ("vector_size", "window", "negative", "ns_exponent", "alpha", "epochs", "subsample", "min_count", "seed")
COMMON = ("bootstrap_servers", "data_dir", "log_level", "log_format", PROPERTIES)
_METAVARS: dict[object, str] = {int: "N", float: "X", Path: "FOLDER", tuple: "LIST"}

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class GivenFlags:
    """The flags of a command line, ready for `load_settings` and `shown_settings`."""

    flags: dict[str, object]
    config_file: Path | None


class _SettingOption(click.Option):
    """A flag that stands for a setting; `common` ones are shown before the others."""

    def __init__(self, *declarations: Any, common: bool = False, **attributes: Any) -> None:
        self.common = common
        super().__init__(*declarations, **attributes)


class ServiceCommand(click.Command):
    """A command whose help shows its own options first, then the common settings, then the rest."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the three groups, each with its heading."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": [], "Common settings": [], "Settings": []}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                groups[_group_of(parameter)].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class ServiceGroup(ServiceCommand, click.Group):
    """A command that does something by itself and has commands of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


def command(name: str | None = None, *, example: str) -> Callable[[Function], click.Command]:
    """Make a command; `example` holds one or more command lines, shown at the end of its help."""
    return click.command(name, cls=ServiceCommand, epilog=_epilog(example))


def command_group(name: str | None = None, *, example: str) -> Callable[[Function], click.Group]:
    """Make a command that has commands of its own; add those with its `add_command`."""
    return click.group(name, epilog=_epilog(example))


def working_group(name: str | None = None, *, example: str) -> Callable[[Function], click.Group]:
    """Make such a command that also does something when none of its own is named."""
    return click.group(name, cls=ServiceGroup, epilog=_epilog(example), invoke_without_command=True)


def settings_options(*names: str) -> Callable[[Function], Function]:
    """Add the common settings and those of `names` as flags; the function gets `settings`, a Settings object.

    A wrong setting raises ConfigError before the function is called. Secrets are never flags: other users see them.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_settings(*args: Any, given: GivenFlags, **kwargs: Any) -> Any:
            return function(*args, settings=load_settings(given.flags, given.config_file), **kwargs)

        return setting_flags(*names)(with_settings)

    return decorate


def setting_flags(*names: str) -> Callable[[Function], Function]:
    """Add the same flags as `settings_options`, but hand the function `given`, the bare GivenFlags."""
    chosen = [*COMMON, *(name for name in names if name not in COMMON)]
    chosen = [name for name in chosen if value_type(name) is not SecretStr]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_flags(*args: Any, config_file: Path | None, **kwargs: Any) -> Any:
            flags = {name: kwargs.pop(name) for name in chosen}
            return function(*args, given=GivenFlags(flags, config_file), **kwargs)

        return _with_options(with_flags, [_config_option(), *map(_option, chosen)])

    return decorate


def every_setting() -> tuple[str, ...]:
    """Return the names of all settings, for a command that takes each of them."""
    return tuple(Settings.model_fields)


def _epilog(example: str) -> str:
    lines = "\n".join(f"  $ {line.strip()}" for line in example.strip().splitlines())
    return f"\b\nExample:\n{lines}"


def _with_options(function: Function, options: Iterable[Callable[[Function], Function]]) -> Function:
    for option in reversed(list(options)):
        function = option(function)
    return function


def _group_of(parameter: click.Parameter) -> str:
    if not isinstance(parameter, _SettingOption):
        return "Options"
    return "Common settings" if parameter.common else "Settings"


def _config_option() -> Callable[[Function], Function]:
    return click.option(
        "--config",
        "config_file",
        cls=_SettingOption,
        common=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="TOML file of settings.  [default: alsobought.toml here, if there is one]",
    )


def _option(name: str) -> Callable[[Function], Function]:
    kind, flag = value_type(name), flag_of(name)
    attributes: dict[str, Any] = {"cls": _SettingOption, "common": name in COMMON, "default": None, "help": _help(name)}
    if name == PROPERTIES:
        return click.option(flag, name, multiple=True, metavar="KEY=VALUE", callback=_properties, **attributes)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", name, **attributes)
    # Values stay texts: Settings checks them, and says the same of a flag as of a file.
    return click.option(flag, name, type=str, metavar=_metavar(kind), **attributes)


def _help(name: str) -> str:
    default = default_value(name)
    return f"{Settings.model_fields[name].description}{f'  [default: {default}]' if default else ''}"


def _metavar(kind: object) -> str:
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else _METAVARS.get(kind, "TEXT")


def _properties(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str] | None:
    properties = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            # The pair is not repeated: it may be a password.
            raise click.BadParameter("it must be KEY=VALUE, such as security.protocol=SASL_SSL")
        properties[name.strip()] = value
    return properties or None
