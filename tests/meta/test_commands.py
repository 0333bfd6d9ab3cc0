"""Every command of the program explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer.main

from streamgauge.cli.main import app


def _walk(name: str, command: object) -> Iterator[tuple[str, object]]:
    children = getattr(command, "commands", None)
    if children is None or getattr(command, "invoke_without_command", False):
        yield name, command
    for child, inner in sorted((children or {}).items()):
        yield from _walk(f"{name} {child}", inner)


COMMANDS = {name: command for name, command in _walk("streamgauge", typer.main.get_command(app)) if name != "streamgauge"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_help_with_an_example_of_itself(name: str) -> None:
    text = str(getattr(COMMANDS[name], "help", None) or "")
    assert re.search(rf"Example.*?{re.escape(name)}\b", text, re.DOTALL), f"the docstring of `{name}` has no line `Example: {name} ...`"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_option_has_help(name: str) -> None:
    silent = [p.name for p in getattr(COMMANDS[name], "params", []) if not getattr(p, "hidden", False) and not getattr(p, "help", None)]
    assert silent == []
