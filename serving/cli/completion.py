"""`alsobought completion`: what a shell reads to complete commands, options and their values with the tab key."""

import click
from click.shell_completion import get_completion_class

from serving.cli.options import command

_PROGRAM = "alsobought"


@command(
    "completion",
    example="""
    eval "$(alsobought completion bash)"
    eval "$(alsobought completion zsh)"
    alsobought completion fish | source
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print what SHELL reads to complete commands and options with the tab key.

    Put the line of the example into your shell's own file: ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells"
    made = kind(ctx.find_root().command, {}, _PROGRAM, f"_{_PROGRAM.upper()}_COMPLETE")
    # not made.source(): for bash that starts one to see how old it is
    click.echo(made.source_template % made.source_vars())
