"""`alsobought demo`: broker, worker, trainer and a made-up shop, in one command."""

import click

from serving.cli.options import command


@command(
    example="""
    alsobought demo
    alsobought demo --once
    """
)
@click.option("--once", is_flag=True, help="End after the show; without it everything runs until Ctrl-C.")
@click.option("--customers", type=click.IntRange(100, 100_000), default=1500, show_default=True, help="Customers.")
@click.option("--orders", type=click.IntRange(1000, 200_000), default=9000, show_default=True, help="Their orders.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another shop.")
def demo(*, once: bool, customers: int, orders: int, seed: int) -> None:
    """Watch a made-up shop: purchases stream in, a model is learnt, recommendations come back over Kafka.

    The broker is inside this process and forgets everything when it ends; the service is `alsobought run`.
    """
    from serving.demo.show import run_demo  # noqa: PLC0415 - the Kafka client takes a while to load, --help should not

    run_demo(customers=customers, orders=orders, seed=seed, once=once)
