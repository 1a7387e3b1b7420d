"""`confctl completion`: the shell's completion script."""

from __future__ import annotations

import click

__all__ = ["completion_command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Examples:
      eval "$(confctl completion bash)"               # this shell
      confctl completion fish > ~/.config/fish/completions/confctl.fish
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(root, {}, "confctl", "_CONFCTL_COMPLETE").source())
