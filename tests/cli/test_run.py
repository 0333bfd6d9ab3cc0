"""``run`` measures a command, keeps its exit code, and says why nothing came by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    assert "no call came by" in done.stderr
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
