"""The pages about TLS, HTTPS_PROXY and corporate proxies work as they are written, in an empty directory."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamgauge.__main__ import run
from streamgauge.testing import Script, ScriptedUpstream
from tests.docs.walkthrough import play
from tests.recorder.driving import ledger_rows
from tests.relay.connect_proxy import ConnectProxy
from tests.relay.loopback import certificate
from tests.relay.wire import RawUpstream

TEXT = "Two metres more."
HOST = "bedrock-runtime.us-east-1.amazonaws.com"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def surroundings(tmp_path: Path, upstream: str, **more: str) -> dict[str, str]:
    return {
        "STREAMGAUGE_ADMIN": "127.0.0.1:0",
        "STREAMGAUGE_TARGETS__UPSTREAMS": f"bedrock-runtime={upstream}",
        "STREAMGAUGE_LEDGER": str(tmp_path / "l.db"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        **more,
    }


def test_tls_and_bearer_keys(tmp_path: Path) -> None:
    plain, tls = free_port(), free_port()
    with ScriptedUpstream(Script(text=TEXT)) as upstream:
        environ = surroundings(
            tmp_path, upstream.url, STREAMGAUGE_LISTEN=f"127.0.0.1:{plain}", AWS_BEARER_TOKEN_BEDROCK="key", AWS_REGION="us-east-1"
        )
        said = play("docs/how-to/use-tls-and-bearer-keys.md", tmp_path, {"127.0.0.1:8443": f"127.0.0.1:{tls}"}, environ)
        assert [received.header("authorization") for received in upstream.received] == ["Bearer key"] * 2
    assert said == f"{TEXT}\n" * 2


def test_https_proxy(tmp_path: Path) -> None:
    plain = free_port()
    with ScriptedUpstream(Script(text=TEXT)) as upstream:
        environ = surroundings(
            tmp_path,
            upstream.url,
            STREAMGAUGE_LISTEN=f"127.0.0.1:{plain}",
            AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
            AWS_SECRET_ACCESS_KEY="s",
        )
        replacements = {
            "127.0.0.1:8787": f"127.0.0.1:{plain}",
            # Each block is a shell of its own here.
            "python -c 'import": f"HTTPS_PROXY=http://127.0.0.1:{plain} python -c 'import",
        }
        said = play("docs/how-to/use-https-proxy.md", tmp_path, replacements, environ)
    assert TEXT in said
    assert "403 host 'example.com:443' is not relayed" in said


def test_tenants(tmp_path: Path) -> None:
    environ = {"STREAMGAUGE_TENANTS__FILE": str(tmp_path / "tenants.json")}
    said = play("docs/how-to/tell-tenants-apart.md", tmp_path, {"/etc/streamgauge/": f"{tmp_path}/"}, environ)
    assert said.count("export AWS_SECRET_ACCESS_KEY=") == 4
    assert "team-a" in said
    for name in ("streamgauge.yaml", "issuers.yaml", "declared.yaml", "mapping.yaml"):
        with pytest.MonkeyPatch.context() as here:
            here.chdir(tmp_path)
            assert run(["check-config", name]) == 0


def test_a_corporate_proxy(tmp_path: Path) -> None:
    plain = free_port()
    cert, tls = certificate(tmp_path, HOST)
    upstream = RawUpstream(tls)
    upstream.will(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    with ConnectProxy(upstream.port, user="user:password") as proxy:
        environ = surroundings(
            tmp_path,
            f"https://{HOST}",
            STREAMGAUGE_LISTEN=f"127.0.0.1:{plain}",
            STREAMGAUGE_RELAY__CA_FILE=str(cert),
            STREAMGAUGE_RELAY__SIGNING="passthrough",
        )
        # The page ends with the server: a call is added.
        page = "docs/how-to/leave-through-a-corporate-proxy.md"
        call = f"\n```sh\ncurl -sf -X POST http://127.0.0.1:{plain}/model/m/converse -d '{{}}'\n```\n\n## When"
        said = play(page, tmp_path, {"proxy.example:3128": f"127.0.0.1:{proxy.port}", "\n## When": call}, environ)
        assert len(proxy.asked) == 1
    upstream.close()
    assert said == "{}"
    assert [row.outcome for row in ledger_rows(tmp_path / "l.db")] == ["completed"]
