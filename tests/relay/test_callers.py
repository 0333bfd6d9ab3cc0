"""Callers through a real worker: who is verified gets the proxy's role, who is not is refused in his protocol's words, and nothing of it goes upstream."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.__main__ import run
from streamgauge.relay.callers import callers, shown
from streamgauge.tenancy.tenant_settings import FixedIdentity, TenantSettings
from tests.relay.scene import ANSWER
from tests.relay.sts import Sts
from tests.relay.test_inbound_sigv4 import BODY, Headers, changed
from tests.relay.wire import RawUpstream, Relay, until

ROLE = "AKIDPROXYROLE"
PATH = "/model/m%3A0/converse"


class Desk:
    """The files of tenants in a directory, and the credentials issued from them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file, self.secrets = directory / "tenants.json", directory / "tenants-secrets.json"

    def do(self, *words: str) -> None:
        assert run(["tenants", *words, "--file", str(self.file)]) == 0

    def settings(self, **more: Any) -> TenantSettings:
        secrets = str(self.secrets) if self.secrets.exists() else None
        return TenantSettings(**{"file": str(self.file), "secrets_file": secrets, **more})

    def pair(self, number: int = -1) -> tuple[str, str]:
        known: dict[str, str] = json.loads(self.secrets.read_text())
        return list(known.items())[number]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk(tmp_path / "desk")


@pytest.fixture(autouse=True)
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROLE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-role")


def request(host: bytes, headers: Headers, path: str = PATH, body: bytes = BODY) -> bytes:
    lines = [(b"Host", host), *[pair for pair in headers if pair[0] != b"Host"], (b"Content-Length", b"%d" % len(body))]
    return b"POST %b HTTP/1.1\r\n" % path.encode() + b"".join(b"%b: %b\r\n" % pair for pair in lines) + b"\r\n" + body


def signed(relay: Relay, pair: tuple[str, str], path: str = PATH, headers: dict[str, str] | None = None) -> Headers:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    made: Any = AWSRequest("POST", f"http://{relay.host.decode()}{path}", data=BODY, headers=headers or {})
    SigV4Auth(Credentials(*pair), "bedrock", "eu-central-1").add_auth(made)
    return [(name.encode(), value.encode()) for name, value in made.headers.items()]


def served(relay: Relay, upstream: RawUpstream, sent: bytes) -> bytes:
    """What reached the upstream."""
    upstream.will(ANSWER.raw)
    caller = relay.call()
    caller.send(sent)
    assert caller.read(len(ANSWER.raw)) == ANSWER.raw
    caller.close()
    return upstream.received()


def refused(relay: Relay, upstream: RawUpstream, sent: bytes) -> tuple[bytes, str]:
    """(status and reason, the reply's text); nothing has reached the upstream."""
    caller = relay.call()
    caller.send(sent)
    head = caller.read_head()
    body, _ = caller.read_to_end()
    assert upstream.requests.empty()
    reason = next(line for line in head.split(b"\r\n") if line.startswith(b"x-streamgauge-reply: "))
    return head.split(b" ")[1] + b" " + reason.partition(b": ")[2], json.loads(body)["message"]


@pytest.fixture
def relay(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> Iterator[Relay]:
    """With one tenant, team-a, that has a key pair."""
    desk.do("add", "team-a", "--team", "search", "--cost-centre", "CC-1")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings(header="x-tenant")) as made:
        yield made


def test_a_verified_caller_is_signed_for_with_the_role_and_is_on_record(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    sent = served(relay, upstream, request(relay.host, [*signed(relay, desk.pair()), (b"x-tenant", b"team-b")]))
    assert f"Credential={ROLE}/".encode() in sent
    assert desk.pair()[0].encode() not in sent
    assert b"x-tenant" not in sent
    m = relay.last(1)
    assert (m.tenant, m.team, m.cost_centre, m.tenant_source, m.tenant_trust) == ("team-a", "search", "CC-1", "key_pair", "verified")
    assert (m.tenant_conflict, m.signing, m.outcome) == ("header:team-b", "resigned", "completed")


def test_who_is_not_verified_does_not_get_the_role(relay: Relay, upstream: RawUpstream) -> None:
    sent = signed(relay, ("AKIASOMEBODYELSE", "x"))
    status, text = refused(relay, upstream, request(relay.host, sent))
    assert status == b"403 tenant_required"
    assert "streamgauge tenants add" in text
    m = relay.last(1)
    assert (m.outcome, m.side, m.error_type, m.tenant, m.tenant_trust) == (
        "rejected",
        "downstream",
        "tenant_required",
        "AKIASOMEBODYELSE",
        "declared",
    )


def test_a_key_that_was_never_issued_is_refused(relay: Relay, upstream: RawUpstream) -> None:
    status, text = refused(relay, upstream, request(relay.host, signed(relay, ("SGAKNOBODYKNOWSTHIS2", "x"))))
    assert status == b"403 tenant_unknown"
    assert "access key SGAKNOBODYKNOWSTHIS2 was not issued by this proxy" in text


def test_a_signature_that_does_not_match_is_refused(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    key_id, secret = desk.pair()
    for sent in (
        request(relay.host, signed(relay, (key_id, secret + "x"))),
        request(relay.host, signed(relay, (key_id, secret)), body=BODY + b" "),
        request(relay.host, signed(relay, (key_id, secret)), path="/model/other/converse"),
    ):
        status, text = refused(relay, upstream, sent)
        assert status == b"403 tenant_signature"
        assert "does not match" in text
        assert secret not in text
    assert desk.pair()[1].encode() not in relay.log.read_bytes()


def test_a_signature_from_yesterday_is_refused(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    day = b"20200101"
    headers = changed(signed(relay, desk.pair()), b"x-amz-date", day + b"T000000Z")
    (value,) = [text for name, text in headers if name == b"Authorization"]
    parts = value.split(b"/")
    headers = changed(headers, b"authorization", b"/".join([parts[0], day, *parts[2:]]))
    status, text = refused(relay, upstream, request(relay.host, headers))
    assert status == b"403 tenant_signature"
    assert "s old, more than 300 s are allowed" in text


def test_a_revoked_key_is_refused_without_a_restart(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    pair = desk.pair()
    served(relay, upstream, request(relay.host, signed(relay, pair)))
    desk.do("rotate", "team-a")
    fresh = desk.pair()
    desk.do("revoke", pair[0])
    until(lambda: _status(relay, upstream, signed(relay, pair)) == b"403", "the revocation")
    served(relay, upstream, request(relay.host, signed(relay, fresh)))
    assert "ERROR" not in relay.log.read_text()


def _status(relay: Relay, upstream: RawUpstream, headers: Headers) -> bytes:
    upstream.will(ANSWER.raw)
    caller = relay.call()
    caller.send(request(relay.host, headers))
    head = caller.read_head()
    caller.close()
    if b" 200 " not in head:
        upstream.forget()
    return head.split(b" ")[1]


def test_a_file_that_was_broken_changes_nothing_and_is_told(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    pair = desk.pair()
    served(relay, upstream, request(relay.host, signed(relay, pair)))
    desk.file.write_text("{")
    until(lambda: "is no JSON" in relay.log.read_text(), "the log's line")
    served(relay, upstream, request(relay.host, signed(relay, pair)))


@pytest.mark.parametrize("place", ["authorization", "x-api-key", "proxy-authorization"])
def test_a_token_opens_the_role_from_wherever_it_is_shown(
    tmp_path: Path, desk: Desk, upstream: RawUpstream, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    desk.do("add", "team-a", "--kind", "token")
    token = next(line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  sgt_"))
    value = {
        "authorization": f"Bearer {token}",
        "x-api-key": token,
        "proxy-authorization": "Basic " + base64.b64encode(f"me:{token}".encode()).decode(),
    }[place]
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="resign", tenants=desk.settings()) as relay:
        sent = served(relay, upstream, request(relay.host, [(place.encode(), value.encode())]))
        assert token.encode() not in sent
        assert f"Credential={ROLE}/".encode() in sent
        m = relay.last(1)
        assert (m.tenant, m.tenant_source, m.tenant_trust) == ("team-a", "token", "verified")
        status, text = refused(relay, upstream, request(relay.host, [(b"authorization", b"Bearer " + token[:-1].encode() + b"_")]))
        assert status == b"403 tenant_unknown"
        assert token[:-1] not in text


def test_bearer_keys_of_aws_go_on_as_they_came(relay: Relay, upstream: RawUpstream) -> None:
    sent = served(relay, upstream, request(relay.host, [(b"Authorization", b"Bearer ABSKlong"), (b"x-tenant", b"team-b")]))
    assert b"Bearer ABSKlong" in sent
    assert b"x-tenant" not in sent
    m = relay.last(1)
    assert (m.tenant, m.tenant_source, m.tenant_trust, m.signing) == ("team-b", "header", "declared", "passthrough")


def test_where_everybody_must_be_verified_a_bearer_key_of_aws_is_not_enough(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings(required="all")) as relay:
        status, _ = refused(relay, upstream, request(relay.host, [(b"Authorization", b"Bearer ABSKlong")]))
        assert status == b"403 tenant_required"


def test_a_header_that_the_callers_own_signature_covers_is_sent_on(tmp_path: Path, upstream: RawUpstream) -> None:
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tenants=TenantSettings(header="x-tenant")) as relay:
        headers = signed(relay, ("AKIASOMEBODY", "x"), headers={"x-tenant": "team-b"})
        assert b"x-tenant: team-b" in served(relay, upstream, request(relay.host, headers))
        m = relay.last(1)
        assert (m.tenant, m.tenant_source, m.signing) == ("team-b", "header", "passthrough")


def test_a_prefix_is_taken_off_the_path_and_the_signature_over_it_is_verified(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a")
    settings = desk.settings(url_prefix="/t/{tenant}")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=settings) as relay:
        path = "/t/team-a" + PATH
        sent = served(relay, upstream, request(relay.host, signed(relay, desk.pair(), path), path))
        assert sent.startswith(b"POST " + PATH.encode() + b" HTTP/1.1\r\n")
        m = relay.last(1)
        assert (m.tenant, m.operation, m.requested_model, m.tenant_conflict) == ("team-a", "Converse", "m:0", None)


def test_in_a_sidecar_every_call_is_the_applications(tmp_path: Path, upstream: RawUpstream) -> None:
    settings = TenantSettings(identity=FixedIdentity("team-a", "search", "chat"))
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tenants=settings) as relay:
        served(relay, upstream, request(relay.host, []))
        m = relay.last(1)
        assert (m.tenant, m.team, m.app, m.tenant_source, m.tenant_trust) == ("team-a", "search", "chat", "fixed", "declared")


def test_request_metadata_in_the_body_names_the_tenant(tmp_path: Path, upstream: RawUpstream) -> None:
    body = b'{"requestMetadata":{"tenant":"team-a","app":"chat"},"messages":[]}'
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tenants=TenantSettings(sources=("request_metadata",))) as relay:
        assert served(relay, upstream, request(relay.host, [], body=body)).endswith(body)
        m = relay.last(1)
        assert (m.tenant, m.app, m.tenant_source) == ("team-a", "chat", "request_metadata")


def test_a_tenant_over_its_limit_is_told_when_to_come_again(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a", "--max-per-minute", "2")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings()) as relay:
        for _ in range(2):
            served(relay, upstream, request(relay.host, signed(relay, desk.pair())))
        caller = relay.call()
        caller.send(request(relay.host, signed(relay, desk.pair())))
        answer, _ = caller.read_to_end()
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"x-streamgauge-reply: tenant_limit" in answer
        assert b"\r\nretry-after: 30\r\n" in answer or b"\r\nretry-after: 29\r\n" in answer
        assert b"x-amzn-errortype: ThrottlingException" in answer
        assert relay.last(3).error_type == "tenant_limit"


def test_a_place_under_way_is_given_back(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a", "--max-in-flight", "1")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings()) as relay:
        for _ in range(3):
            served(relay, upstream, request(relay.host, signed(relay, desk.pair())))
            until(relay.measured, "the row")


def test_a_signature_is_taken_once_where_that_is_asked_for(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings(refuse_replays=True)) as relay:
        headers = signed(relay, desk.pair())
        served(relay, upstream, request(relay.host, headers))
        status, text = refused(relay, upstream, request(relay.host, headers))
        assert status == b"403 tenant_signature"
        assert "was used before" in text


def test_a_tenants_own_role_signs_its_calls(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a", "--role-arn", "arn:aws:iam::123456789012:role/team-a", "--tag", "project=chat")
    sts = Sts()
    try:
        with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="auto", tenants=desk.settings(sts_endpoint=sts.url)) as relay:
            sent = served(relay, upstream, request(relay.host, signed(relay, desk.pair())))
            assert b"Credential=ASIA" in sent
            assert b"X-Amz-Security-Token: " in sent
            assert sts.asked[0]["RoleSessionName"] == "team-a"
            sts.refuse = True
            served(relay, upstream, request(relay.host, signed(relay, desk.pair())))
            assert len(sts.asked) == 1
    finally:
        sts.close()


def test_without_signing_an_issued_key_opens_nothing(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a")
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", signing="passthrough", tenants=desk.settings()) as relay:
        status, text = refused(relay, upstream, request(relay.host, signed(relay, desk.pair())))
        assert status == b"403 proxy_credentials"
        assert "set relay.signing: auto" in text


def test_an_issued_key_goes_to_no_other_host(tmp_path: Path, desk: Desk, upstream: RawUpstream) -> None:
    desk.do("add", "team-a", "--kind", "token")
    host = f"127.0.0.1:{upstream.port}"
    with Relay(tmp_path, "http://127.0.0.1:9", signing="auto", extra_hosts=(host,), tenants=desk.settings(required="never")) as relay:
        token = b"sgt_unknown"
        status, _ = refused(relay, upstream, request(host.encode(), [(b"authorization", b"Bearer " + token)], f"http://{host}/x"))
        assert status == b"403 tenant_unknown"


def test_a_large_body_is_verified_too(relay: Relay, upstream: RawUpstream, desk: Desk) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    body = b'{"x":"' + b"y" * 200_000 + b'"}'
    made: Any = AWSRequest("POST", f"http://{relay.host.decode()}{PATH}", data=body)
    SigV4Auth(Credentials(*desk.pair()), "bedrock", "us-east-1").add_auth(made)
    headers = [(name.encode(), value.encode()) for name, value in made.headers.items()]
    assert served(relay, upstream, request(relay.host, headers, body=body)).endswith(body)
    status, _ = refused(relay, upstream, request(relay.host, headers, body=body[:-1] + b"]"))
    assert status == b"403 tenant_signature"


@pytest.mark.parametrize(("status", "trust"), [(b"200 OK", "verified"), (b"403 Forbidden", "declared"), (b"400 Bad Request", "declared")])
def test_a_key_of_aws_is_verified_by_aws_where_its_signature_goes_on(
    tmp_path: Path, upstream: RawUpstream, status: bytes, trust: str
) -> None:
    settings = TenantSettings(aliases={"AKIASOMEBODY": "team-a"})
    with Relay(tmp_path, f"http://127.0.0.1:{upstream.port}", tenants=settings) as relay:
        upstream.will(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\n{}")
        caller = relay.call()
        caller.send(request(relay.host, signed(relay, ("AKIASOMEBODY", "x"))))
        caller.read_head()
        m = relay.last(1)
        assert (m.tenant, m.tenant_source, m.tenant_trust) == ("team-a", "access_key_id", trust)


def test_where_nothing_is_configured_nobody_is_looked_for() -> None:
    async def make() -> object:
        return callers(TenantSettings(), asyncio.get_running_loop())

    assert asyncio.run(make()) is None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, []),
        ({"authorization": "Bearer a"}, [("authorization", "a")]),
        ({"authorization": "Basic YTpi"}, []),
        ({"proxy-authorization": "Basic YTpi", "x-api-key": " k "}, [("x-api-key", "k"), ("proxy-authorization", "b")]),
        ({"proxy-authorization": "bearer t"}, [("proxy-authorization", "t")]),
        ({"proxy-authorization": "Basic %%%"}, [("proxy-authorization", "")]),
    ],
)
def test_tokens_are_looked_for_where_sdks_and_proxies_put_them(headers: dict[str, str], found: list[tuple[str, str]]) -> None:
    assert shown(headers) == found
