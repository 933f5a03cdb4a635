"""`rag completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that completes commands, options and paths in SHELL.

    \b
    Examples:
      rag completion bash >> ~/.bashrc
      rag completion zsh >> ~/.zshrc
      rag completion fish > ~/.config/fish/completions/rag.fish
    """
    root = click.get_current_context().find_root()
    program = root.info_name if root.info_name in ("rag", "quoterag") else "rag"
    script = get_completion_class(shell)
    assert script is not None  # SHELLS are those that click knows
    click.echo(script(root.command, {}, program, f"_{program.upper()}_COMPLETE").source())
