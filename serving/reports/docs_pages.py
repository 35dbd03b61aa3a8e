"""The generated pages of the documentation: one table of every setting, one of every metric.

In: the fields of Settings and the descriptions in Metrics. Out: Markdown, the same on every machine; a test compares it
with the files in docs/, and `make docs` writes them anew.
"""

from collections.abc import Iterable, Sequence

from config.descriptions import PROPERTIES, allowed_values, default_value, flag_of
from config.settings import SECTIONS, Section, Settings
from consumers.observability.metrics import Metrics

_SETTINGS_HEAD = """# Settings

<!-- Written by `make docs` from config/settings.py: change the code, not this page. -->

A setting comes from one of four sources, the later one wins:

1. its default,
2. a TOML file: `--config FILE`, else the file that `ALSOBOUGHT_CONFIG` names, else `alsobought.toml` where it is run,
3. the environment: `http_port` is `ALSOBOUGHT_HTTP_PORT`,
4. a flag: `http_port` is `--http-port`, on the commands that have a use for it. `phone_hash_key` and `http_token` are
   no flags, because other users of a machine can see flags.

`alsobought config` prints what is in force and where it came from, with secrets masked. An unknown name in the file, a
misspelt variable and a value out of its range end with exit code 2 and a text of name, value and what is allowed.

```toml
bootstrap_servers = "kafka-1:9092,kafka-2:9092"
data_dir = "/var/lib/alsobought"

[kafka_properties]
security.protocol = "SASL_SSL"
sasl.mechanism = "SCRAM-SHA-512"
sasl.username = "shop"
```

Client properties are merged one by one, so the password can come from the environment, as
`ALSOBOUGHT_KAFKA_PROPERTIES='{"sasl.password": "…"}'`, or one by one from flags, as `--kafka-property linger.ms=5`.
"""

_METRICS_HEAD = """# Metrics

<!-- Written by `make docs` from consumers/observability/metrics.py: change the code, not this page. -->

`GET /metrics` answers in the text format of Prometheus. No label holds a customer or a product. The usual `process_…`
metrics of memory, CPU time and open files come with them.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    return "\n".join([_SETTINGS_HEAD, *map(_section, SECTIONS)])


def metrics_page() -> str:
    """Return docs/metrics.md."""
    rows = [
        (f"`{metric.name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for metric in Metrics().described()
    ]
    return f"{_METRICS_HEAD}\n{_table(('metric', 'type', 'labels', 'meaning'), rows)}"


def _section(section: type[Section]) -> str:
    title = (section.__doc__ or "").strip().removesuffix(".")
    rows = [_setting_row(name) for name in section.model_fields]
    return f"## {title}\n\n{_table(('setting', 'default', 'allowed', 'meaning'), rows)}"


def _setting_row(name: str) -> tuple[str, ...]:
    default = default_value(name)
    shown_name = f"`{name}` (`{flag_of(name)}`)" if name == PROPERTIES else f"`{name}`"
    return (
        shown_name,
        f"`{default}`" if default else "",
        allowed_values(name),
        str(Settings.model_fields[name].description),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
