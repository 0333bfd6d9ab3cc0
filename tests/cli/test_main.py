from __future__ import annotations

import subprocess
import sys

import pytest

from streamgauge import __version__
from streamgauge.__main__ import run
from streamgauge.endpoints import VARIABLES


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"streamgauge {__version__}\n"


def test_help_lists_the_commands_and_each_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "exchanges" in shown
    assert "report" in shown
    for command in (
        [],
        ["serve"],
        ["run"],
        ["demo"],
        ["exchanges"],
        ["exchanges", "show"],
        ["report"],
        ["report", "latency"],
        ["report", "errors"],
    ):
        assert run([*command, "--help"]) == 0
        (example,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("Example: streamgauge")]
        assert len(example.strip()) <= 78  # it can be copied from a terminal of 80 columns


def test_the_help_of_run_names_every_variable_that_it_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(variable.name in told for variable in VARIABLES)


def test_the_help_of_the_latency_report_defines_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    run(["report", "latency", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Time to first token: from the moment the application's request head was read" in shown
    assert "Percentiles are nearest-rank" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["report", "latency", "--sinc", "1h"],
            "No such option: --sinc (Possible options: --since); see `streamgauge report latency --help`",
        ),
        (["reprt"], "No such command 'reprt'. Did you mean 'report'?; see `streamgauge --help`"),
        (["exchanges", "show"], "Missing argument 'ID'; see `streamgauge exchanges show --help`"),
        (["report", "latency", "--since", "soon"], "--since 'soon' is not a time: write 30m, 24h, 7d, 2026-11-25 or 2026-11-25T08:00:00Z"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    caught = capsys.readouterr()
    assert caught.err == f"streamgauge: {told}\n"
    assert caught.out == ""


def test_called_without_a_command_it_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    caught = capsys.readouterr()
    assert "Commands" in caught.out + caught.err


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'sqlalchemy', 'boto3', 'botocore', 'aiohttp', 'pydantic', 'uvloop', 'asyncio', 'yaml'}"
    code = f"import sys, streamgauge.cli.main; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout == "set()\n"
