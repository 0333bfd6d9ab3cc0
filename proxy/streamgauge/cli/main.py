"""The command line: one line per command. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from streamgauge import __version__
from streamgauge.cli import ca, exchanges, ledger, prices, report, tenants
from streamgauge.cli.check_config import check_config
from streamgauge.cli.demo import demo
from streamgauge.cli.doctor import doctor
from streamgauge.cli.run import VARIABLES, run
from streamgauge.cli.serve import serve

app = typer.Typer(
    name="streamgauge",
    help="A stream gauge for LLM traffic: stands between applications and Amazon Bedrock or SageMaker, changes no byte, and measures every exchange.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: streamgauge run -- python chat.py",
)
reports = typer.Typer(help="Reports from the ledger.", no_args_is_help=True, epilog="Example: streamgauge report latency --since 24h")
rows = typer.Typer(invoke_without_command=True)
price_book = typer.Typer(
    help="The price book, and what calls cost by it.", no_args_is_help=True, epilog="Example: streamgauge prices list --model nova-lite"
)
authority = typer.Typer(help="The private CA of applications that use HTTPS_PROXY.", no_args_is_help=True)
issued = typer.Typer(
    help="Credentials that the proxy issues to callers.", no_args_is_help=True, epilog="Example: streamgauge tenants add team-a"
)
ledgers = typer.Typer(help="The ledger itself: its rows for other tools, its sums made anew.", no_args_is_help=True)

app.command()(serve)
app.command()(demo)
app.command(
    context_settings={"allow_interspersed_args": False},  # after its first word, options are those of the command it runs
    options_metavar="[OPTIONS] --",
    epilog=VARIABLES,
)(run)
app.command("check-config")(check_config)
app.command()(doctor)
app.add_typer(rows, name="exchanges", callback=exchanges.exchanges, epilog=exchanges.WHERE_COLUMNS)
rows.command("show")(exchanges.show)
app.add_typer(authority, name="ca")
authority.command("create")(ca.create)
app.add_typer(ledgers, name="ledger")
ledgers.command("export")(ledger.export)
ledgers.command("rebuild-rollups")(ledger.rebuild_rollups)
app.add_typer(reports, name="report")
reports.command("latency", epilog=report.LATENCY_FIGURES)(report.latency)
reports.command("errors")(report.errors)
app.add_typer(price_book, name="prices")
price_book.command("list")(prices.list_prices)
price_book.command("check")(prices.check)
price_book.command("diff")(prices.diff)
price_book.command("quote")(prices.quote)
app.add_typer(issued, name="tenants")
issued.command("add")(tenants.add)
issued.command("list")(tenants.show)
issued.command("rotate")(tenants.rotate)
issued.command("revoke")(tenants.revoke)


def _version(asked: bool) -> None:
    if asked:
        print(f"streamgauge {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """Options before the command."""
