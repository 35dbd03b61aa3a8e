"""`alsobought run`: the service against your Kafka."""

import click

from config.settings import Settings
from consumers.pace import SHOPS_PACE, Pace
from serving.cli.options import command, every_setting, settings_options
from serving.runtime.logs import set_up_logging


@command(
    example="""
    alsobought run --bootstrap-servers kafka:9092 --data-dir /var/lib/alsobought
    alsobought run --role worker --kafka-property security.protocol=SASL_SSL
    """
)
@settings_options(*every_setting())
def run(settings: Settings) -> None:
    """Run the service: store purchases, answer requests (worker), and learn models (trainer).

    SIGTERM or Ctrl-C ends it cleanly; a second one ends it at once.
    """
    set_up_logging(settings.log_format, settings.log_level)
    from serving.runtime.service import run_service  # noqa: PLC0415 - FAISS takes a while to load, --help should not

    run_service(settings, pace=click.get_current_context().find_object(Pace) or SHOPS_PACE)
