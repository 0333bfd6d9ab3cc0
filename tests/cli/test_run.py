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
    assert done.stderr == ""  # the command's own, and it has none
    assert "2 exchanges from" in done.stdout
    assert f"--ledger {ledger}" in done.stdout


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
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "1 exchange from" in quiet.stdout
    assert signed.returncode == 1
    assert "no AWS credentials were found" in signed.stderr


def test_a_command_that_does_not_exist_is_a_usage_error() -> None:
    done = _run("--", "no-such-command-here")
    assert done.returncode == 2
    assert "no such command" in done.stderr
