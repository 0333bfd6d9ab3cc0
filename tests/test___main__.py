from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from streamgauge import __version__
from streamgauge.__main__ import main, run
from streamgauge.cli import main as cli_main
from streamgauge.errors import CouldNotRun, NotEnoughData, StreamgaugeError, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("x"), 2), (NotEnoughData("x"), 3), (CouldNotRun("x"), 4), (StreamgaugeError("x"), 4), (KeyboardInterrupt(), 130)],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code == _run_raising(error, monkeypatch)


def test_an_unforeseen_error_names_its_place_but_not_its_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("STREAMGAUGE_TRACEBACK", raising=False)
    assert _run_raising(KeyError("a secret"), monkeypatch) == 4
    told = capsys.readouterr().err
    assert told.startswith("streamgauge: internal error KeyError at test___main__.py:")
    assert "secret" not in told
    assert "Traceback" not in told


def test_the_traceback_is_there_for_whoever_asks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("STREAMGAUGE_TRACEBACK", "1")
    _run_raising(KeyError("x"), monkeypatch)
    assert "Traceback" in capsys.readouterr().err


def test_the_program_exits_with_the_command_s_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0


def test_the_installed_program_and_the_module_are_the_same() -> None:
    installed = [str(Path(sysconfig.get_path("scripts")) / "streamgauge"), "--version"]
    module = [sys.executable, "-m", "streamgauge", "--version"]
    outputs = {subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout for command in (installed, module)}
    assert outputs == {f"streamgauge {__version__}\n"}


def _run_raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def app(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli_main, "app", app)
    return run([])
