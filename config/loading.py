"""Settings from their four sources: defaults, a TOML file, the environment, flags; the later one wins.

Out: a Settings object, or a ConfigError that says of each wrong setting its name, its value (secrets masked), what is
allowed and where it came from. Client properties are merged one by one, so that a file and a secret can share the work.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from config.descriptions import PROPERTIES, explain, flag_of, show_value
from config.errors import ConfigError
from config.kafka_properties import parse_properties, shown_property
from config.settings import ENVIRONMENT_PREFIX, Settings

FILE_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
DEFAULT_FILE = Path("alsobought.toml")
# Kubernetes and our tests put other ALSOBOUGHT_ variables there: only one that is nearly a setting is a mistake.
_SURELY_MEANT = 0.85


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as it is in force: secrets masked, `source` in words ("default", "--http-port", …)."""

    name: str
    value: str
    source: str


@dataclass(slots=True)
class _Given:
    """Values that were given, and the source of each; a client property is `kafka_properties.NAME` in `sources`."""

    values: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, value: object, source: str) -> None:
        """Let this value win over an earlier one."""
        if name == PROPERTIES:
            value = self._merged_properties(value, source)
        self.values[name] = value
        self.sources[name] = source

    def _merged_properties(self, value: object, source: str) -> object:
        try:
            properties = parse_properties(value)
        except ValueError:
            return value  # Settings refuses it with the same sentence, and we know its source
        self.sources.update({f"{PROPERTIES}.{name}": source for name in properties})
        earlier = self.values.get(PROPERTIES)
        return {**earlier, **properties} if isinstance(earlier, dict) else properties


def load_settings(flags: Mapping[str, object] | None = None, config_file: Path | None = None) -> Settings:
    """Return the settings in force.

    `flags` maps field names to values, None = not given. `config_file` wins over ALSOBOUGHT_CONFIG, which wins over
    `alsobought.toml` in the working directory. Raises ConfigError.
    """
    return _settings_of(_gather(flags or {}, config_file))


def shown_settings(flags: Mapping[str, object] | None = None, config_file: Path | None = None) -> list[ShownSetting]:
    """Return every setting as `load_settings` would give it, in the order of the documentation. Raises ConfigError."""
    given = _gather(flags or {}, config_file)
    settings = _settings_of(given)
    shown = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name == PROPERTIES and value:
            shown += [_shown_property(key, value[key], given) for key in sorted(value)]
        else:
            shown.append(_shown(name, value, given))
    return shown


def _shown(name: str, value: object, given: _Given) -> ShownSetting:
    return ShownSetting(name, show_value(name, value), given.sources.get(name, "default"))


def _shown_property(key: str, value: str, given: _Given) -> ShownSetting:
    name = f"{PROPERTIES}.{key}"
    return ShownSetting(name, shown_property(key, value), given.sources.get(name, "default"))


def _settings_of(given: _Given) -> Settings:
    try:
        return Settings(**given.values)  # type: ignore[arg-type]  # pydantic checks each value
    except ValidationError as error:
        # `from None`: pydantic's own text holds the values, secrets among them.
        raise ConfigError(explain(error, given.values, given.sources)) from None


def _gather(flags: Mapping[str, object], config_file: Path | None) -> _Given:
    given = _Given()
    _take_file(given, config_file)
    _take_environment(given)
    for name, value in flags.items():
        if value is not None:
            given.take(name, value, flag_of(name))
    return given


def _take_file(given: _Given, config_file: Path | None) -> None:
    named = config_file or _file_of_environment()
    if named is None and not DEFAULT_FILE.is_file():
        return
    path = named or DEFAULT_FILE
    for name, value in _read_toml(path).items():
        if name not in Settings.model_fields:
            raise ConfigError(f"{name} in {path} is not a setting; {_nearest(name)}")
        given.take(name, value, f"file {path}")


def _file_of_environment() -> Path | None:
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the settings file {path} cannot be read ({error.strerror}): "
            f"name another with --config or {FILE_VARIABLE}, or leave both out"
        ) from error
    except ValueError as error:
        raise ConfigError(f"the settings file {path} is not TOML: {error}") from error


def _take_environment(given: _Given) -> None:
    _refuse_misspelt_variables()
    for name, value in EnvSettingsSource(Settings)().items():
        given.take(name, value, f"environment {ENVIRONMENT_PREFIX}{name.upper()}")


def _refuse_misspelt_variables() -> None:
    known = [name.upper() for name in (*Settings.model_fields, "config")]
    for variable in os.environ:
        prefix, name = variable[: len(ENVIRONMENT_PREFIX)].upper(), variable[len(ENVIRONMENT_PREFIX) :].upper()
        if prefix != ENVIRONMENT_PREFIX or name in known:
            continue
        if meant := difflib.get_close_matches(name, known, n=1, cutoff=_SURELY_MEANT):
            raise ConfigError(
                f"the environment variable {variable} is not a setting; the nearest is {ENVIRONMENT_PREFIX}{meant[0]}"
            )


def _nearest(name: str) -> str:
    meant = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    return f"the nearest is {meant[0]}" if meant else "`alsobought config` lists them all"
