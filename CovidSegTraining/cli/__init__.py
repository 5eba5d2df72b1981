"""The command ``covidseg-train``: a file ``*_command.py`` for each of its subcommands."""

from .command import main

__all__ = ["main"]
