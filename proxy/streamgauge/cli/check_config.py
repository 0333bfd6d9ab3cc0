"""``streamgauge check-config``: whether settings can work, what is in force, and what there is to set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamgauge.errors import UsageError


def check_config(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Settings file (YAML). Without one, only environment and --set.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As if an option gave it. Repeatable.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the settings in force that are no defaults, each with its source.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="With --show: defaults too, and the variable that sets each.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of settings files, for editors.")] = False,
    sample: Annotated[bool, typer.Option("--sample", help="Print a settings file with every key, its default and its meaning.")] = False,
) -> None:
    """Name every mistake in the settings, without starting anything. Exit code 2 if there is one.

    Example: streamgauge check-config streamgauge.yaml
    """
    import os

    from streamgauge.cli.output import write
    from streamgauge.config import read
    from streamgauge.config.page import effective
    from streamgauge.config.sample import text
    from streamgauge.config.schema import schema_text

    if schema or sample:
        write([schema_text().rstrip("\n") if schema else text().rstrip("\n")])
        return
    loaded = read(file, overrides(set_ or []), os.environ)
    if show:
        write(effective(loaded, os.environ, everything=all_))
        return
    write([f"{file or 'environment and defaults'}: no mistakes"])


def overrides(pairs: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` pairs as dotted settings; values are written as in environment variables. Raises ``UsageError``."""
    from streamgauge.config.environment import read_value
    from streamgauge.config.keys import every_key

    hints = {key.name: key.hint for key in every_key()}
    given = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or ":" in key:
            # Not repeated: a secret may stand in it.
            raise UsageError("--set: expected KEY=VALUE, such as relay.signing=passthrough")
        given[key] = read_value(hints.get(key, str), value)
    return given
