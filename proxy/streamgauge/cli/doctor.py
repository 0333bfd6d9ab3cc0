"""``streamgauge doctor``: what stands in the way of calls and of their pace, each with its fix."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamgauge.config import Config
    from streamgauge.doctor.finding import Finding


class DoctorFormat(enum.StrEnum):
    """What findings can be written as."""

    text = "text"
    jsonl = "jsonl"


def doctor(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings file (YAML) of the proxy that is looked at.")] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure only the pace of streams through this chain, which ends at `python -m streamgauge.testing`. Repeatable."
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region to reach where the settings name none. Default: $AWS_REGION.")] = None,
    admin: Annotated[str | None, typer.Option(help="Admin address of the proxy in the chain, to tell which side a hop is on.")] = None,
    format_: Annotated[DoctorFormat, typer.Option("--format", help="jsonl: one object for each finding.")] = DoctorFormat.text,
) -> None:
    """Look at credentials, clock, reachability, ports, loops and proxy variables; with --url, at hops that cork or buffer streams.

    Exit code 1 if something needs a fix.

    Example: streamgauge doctor --url http://127.0.0.1:8787
    """
    import os

    from streamgauge.cli.output import write
    from streamgauge.config import read
    from streamgauge.doctor.report import as_json_lines, as_text

    settings = read(config, {}, os.environ).config
    found = list(_streams(settings, url, admin) if url else _machine(settings, region))
    write(as_json_lines(found) if format_ is DoctorFormat.jsonl else as_text(found))
    if any(each.verdict == "finding" for each in found):
        raise typer.Exit(1)


def _streams(settings: Config, urls: list[str], admin: str | None) -> Iterator[Finding]:
    from streamgauge.cli.admin_client import AdminClient
    from streamgauge.doctor.streams import look_at_streams

    client = AdminClient(admin or settings.admin)
    for url in urls:
        yield from look_at_streams(url, settings.relay.ca_file, lambda: client.newest(100))


def _machine(settings: Config, region: str | None) -> Iterator[Finding]:
    import os

    from streamgauge import endpoints
    from streamgauge.doctor.ports import look_at_ports
    from streamgauge.doctor.reach import reach_all, upstreams
    from streamgauge.doctor.role import look_at_role
    from streamgauge.doctor.streams import nothing_to_hear
    from streamgauge.doctor.surroundings import look_at_loops, look_at_proxies
    from streamgauge.relay.egress import read_egress

    yield look_at_role(settings.relay.signing, os.environ)
    places = upstreams(settings.targets, region or endpoints.region(os.environ))
    yield from reach_all(places, settings.relay.ca_file, read_egress(settings.relay.egress_proxy, os.environ))
    named = [(key, address) for key in ("listen", "listen_tls") for address in getattr(settings, key)] + [("admin", settings.admin)]
    yield from look_at_ports(named)
    yield look_at_loops(settings)
    yield from look_at_proxies(os.environ, settings)
    yield nothing_to_hear()
