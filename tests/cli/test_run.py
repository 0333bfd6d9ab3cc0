"""``run`` measures a command, keeps its exit code, and says why nothing came by."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamgauge.testing import Script, ScriptedUpstream

CHAT = """
import boto3
client = boto3.client("bedrock-runtime", region_name="us-east-1")
for _ in range(2):
    list(client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])["stream"])
raise SystemExit(3)
"""

KEYS = "import os; os.environ.update(AWS_ACCESS_KEY_ID='AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY='s')\n"

UNSIGNED = """
import http.client, os
caller = http.client.HTTPConnection(os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"].removeprefix("http://"))
caller.request("POST", "/model/m/converse", b"{}", {"content-type": "application/json"})
caller.getresponse().read()
"""


def _run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OPENAI_", "ANTHROPIC_"))}
    clean |= {"AWS_EC2_METADATA_DISABLED": "true", **environ}
    return subprocess.run(
        [sys.executable, "-m", "streamgauge", "run", *command], env=clean, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_unchanged_application_is_measured_and_its_exit_code_kept(tmp_path: Path) -> None:
    ledger = str(tmp_path / "l.db")
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        done = _run(
            "--ledger",
            ledger,
            "--",
            sys.executable,
            "-c",
            CHAT,
            AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
            AWS_SECRET_ACCESS_KEY="s",
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=upstream.url,
        )
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""  # the command's own, and it has none
    assert "2 exchanges from" in done.stderr
    assert f"--ledger {ledger}" in done.stderr


def test_a_command_without_calls_is_told_the_likely_causes() -> None:
    done = _run("--", sys.executable, "-c", "raise SystemExit(7)")
    assert done.returncode == 7
    assert "the command ended with exit code 7, and no call came by.\nWhat it says itself, above, comes first." in done.stderr
    assert "fix:" in done.stderr
    assert "ERROR" not in done.stderr


def test_a_missing_role_is_told_when_a_call_needs_it_and_not_before(tmp_path: Path) -> None:
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        upstreams = ("--upstream", f"bedrock-runtime={upstream.url}")
        quiet = _run(*upstreams, "--", sys.executable, "-c", UNSIGNED, **nowhere)
        signed = _run(*upstreams, "--", sys.executable, "-c", KEYS + CHAT, **nowhere)
    assert quiet.returncode == 0
    assert "1 exchange from" in quiet.stderr
    assert "credentials" not in quiet.stderr
    assert signed.returncode == 1
    assert "no AWS credentials were found" in signed.stderr


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    done = _run("--", "no-such-command-here")
    assert done.returncode == 2
    assert "no such command" in done.stderr


def test_a_python_of_another_name_is_thought_of(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    done = _run("--", "python", "app.py", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "python: no such command; did you mean python3?" in done.stderr


def test_without_a_report_the_ledger_is_named_all_the_same(tmp_path: Path) -> None:
    done = _run("-q", "--ledger", str(tmp_path / "l.db"), "--", sys.executable, "-c", "")
    assert done.stderr == f"streamgauge: the rows are in {tmp_path / 'l.db'}\n"


def test_everything_after_the_first_word_belongs_to_the_command() -> None:
    said = "import sys; print(sys.argv[1:])"
    done = _run("-q", sys.executable, "-c", said, "--ledger", "x.db", "-q", "--", "--help")
    assert done.stdout == "['--ledger', 'x.db', '-q', '--', '--help']\n", done.stderr


def test_the_spool_lies_beside_the_ledger_of_this_run_whatever_the_settings_file_says(tmp_path: Path) -> None:
    shared = tmp_path / "shared.spool"
    settings = tmp_path / "s.yaml"
    settings.write_text(f"spool_dir: {shared}\n")
    done = _run("-q", "--config", str(settings), "--ledger", str(tmp_path / "l.db"), "--", sys.executable, "-c", "")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "l.db.spool").is_dir()
    assert not shared.exists()


def test_the_report_covers_this_run_and_not_what_a_kept_ledger_held_before(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        kept = ("--ledger", str(tmp_path / "l.db"), "--upstream", f"bedrock-runtime={upstream.url}", "--", sys.executable, "-c")
        _run(*kept, CHAT, **keys)
        again = _run(*kept, CHAT, **keys)
        without = _run(*kept, "", **keys)
    assert "2 exchanges from" in again.stderr
    assert "no call came by" in without.stderr


def test_the_closing_hint_shows_the_calls_of_this_run_only(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        kept = ("--ledger", str(tmp_path / "l.db"), "--upstream", f"bedrock-runtime={upstream.url}", "--", sys.executable, "-c")
        _run(*kept, CHAT, **keys)
        again = _run(*kept, CHAT, **keys)
    hint = shlex.split(again.stderr.strip().splitlines()[-1].partition(": ")[2])
    shown = subprocess.run([sys.executable, "-m", *hint], capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(shown.splitlines()) == 2


def test_a_gateway_of_one_sdk_gets_the_calls_of_that_sdk_only(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
    unsigned = UNSIGNED.replace("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "ANTHROPIC_BEDROCK_BASE_URL")
    with ScriptedUpstream(Script(output_tokens=5)) as one, ScriptedUpstream(Script(output_tokens=5)) as other:
        endpoints = {"ANTHROPIC_BEDROCK_BASE_URL": one.url, "AWS_ENDPOINT_URL": other.url}
        done = _run("--", sys.executable, "-c", unsigned + CHAT, **keys, **endpoints, HTTP_PROXY="http://127.0.0.1:1")
        assert done.returncode == 3, done.stderr
        assert [log.operation for log in one.wait(1)] == ["Converse"]
        assert [log.operation for log in other.wait(2)] == ["ConverseStream"] * 2
    assert "3 exchanges from" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_the_report_still_comes(number: signal.Signals, tmp_path: Path) -> None:
    code = CHAT.replace("raise SystemExit(3)", "import time; print('called', flush=True); time.sleep(60)")
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        command = [
            sys.executable,
            "-m",
            "streamgauge",
            "run",
            "--upstream",
            f"bedrock-runtime={upstream.url}",
            "--",
            sys.executable,
            "-c",
            code,
        ]
        environ = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "called\n"
            running.send_signal(number)
            _, told = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert "2 exchanges from" in told


def test_a_reader_of_the_report_that_leaves_does_not_change_the_exit_code(tmp_path: Path) -> None:
    with ScriptedUpstream(Script(output_tokens=5)) as upstream:
        command = [
            sys.executable,
            "-m",
            "streamgauge",
            "run",
            "--upstream",
            f"bedrock-runtime={upstream.url}",
            "--",
            sys.executable,
            "-c",
            CHAT,
        ]
        environ = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ) as running:
            assert running.stderr is not None
            running.stderr.close()
            assert running.wait(60) == 3
