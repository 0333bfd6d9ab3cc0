"""Tokens of issuers that are believed: signature, audience and time are verified, keys are published by a real server, and nothing else is believed."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from streamgauge.relay.refusal import BadSignature, IssuerUnreachable
from streamgauge.relay.token_issuers import TokenIssuers, published
from streamgauge.tenancy.claims import Claim, Names
from streamgauge.tenancy.tenant_settings import TokenIssuer

ISSUER, AUDIENCE = "https://login.example", "streamgauge"
RSA = rsa.generate_private_key(65_537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65_537, 2048)


def public(key: Any, key_id: str) -> dict[str, Any]:
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    name = "ES256" if algorithm is ECAlgorithm else "RS256"
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": key_id, "alg": name, "use": "sig"}


def token(key: Any = RSA, key_id: str = "r", algorithm: str = "RS256", **claims: Any) -> str:
    now = datetime.now(UTC).timestamp()
    body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "team-a", "exp": now + 600, **claims}
    return jwt.encode({name: value for name, value in body.items() if value is not None}, key, algorithm, headers={"kid": key_id})


class Published:
    """A server with an issuer's keys; ``asked`` counts, ``authorization`` is what it was shown."""

    def __init__(self) -> None:
        self.keys = [public(RSA, "r"), public(EC, "e")]
        self.status = 200
        self.asked = 0
        self.authorization: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.authorization = self.headers.get("Authorization")
                body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: Any) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def keys() -> Iterator[Published]:
    made = Published()
    yield made
    made.close()


def asked(settings: TokenIssuer, *tokens: str) -> list[Claim | None]:
    """What each token proves, one after the other; the first refusal is raised."""

    async def ask() -> list[Claim | None]:
        issuers = TokenIssuers((settings,), asyncio.get_running_loop())
        return [await issuers.claim(one, datetime.now(UTC).timestamp()) for one in tokens]

    return asyncio.run(ask())


def of(keys: Published, **more: Any) -> TokenIssuer:
    return TokenIssuer(ISSUER, AUDIENCE, jwks_url=keys.url, **more)


@pytest.mark.parametrize(("key", "key_id", "algorithm"), [(RSA, "r", "RS256"), (EC, "e", "ES256")])
def test_a_token_with_a_published_key_names_its_tenant(keys: Published, key: Any, key_id: str, algorithm: str) -> None:
    assert asked(of(keys), token(key, key_id, algorithm)) == [Claim("jwt", "verified", Names("team-a"))]


def test_other_claims_can_name_tenant_team_and_application(keys: Published) -> None:
    settings = of(keys, tenant_claim="org.unit", team_claim="https://example.com/team", app_claim="azp")
    made = token(org={"unit": "a"}, azp="chat", **{"https://example.com/team": "b"})
    assert asked(settings, made) == [Claim("jwt", "verified", Names("a", "b", "chat"))]


def test_a_service_account_is_its_namespace_and_its_name(keys: Published, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ours\n")
    settings = of(keys, kubernetes=True, bearer_file=str(tmp_path / "token"))
    assert asked(settings, token(sub="system:serviceaccount:search:ranker")) == [
        Claim("service_account", "verified", Names("search", None, "ranker"))
    ]
    assert keys.authorization == "Bearer ours"


def test_keys_are_fetched_once_for_many_tokens(keys: Published) -> None:
    first = token()
    asked(of(keys), first, first, token(sub="b"), token(EC, "e", "ES256"))
    assert keys.asked == 1


def test_keys_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public(RSA, "r")]}))
    settings = TokenIssuer(ISSUER, AUDIENCE, jwks_file=str(tmp_path / "jwks.json"))
    assert asked(settings, token()) == [Claim("jwt", "verified", Names("team-a"))]
    assert b"keys" in published(settings)


def unsigned() -> str:
    return jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "team-a", "exp": 1e10}, "", "none", headers={"kid": "r"})


def with_the_public_key_as_secret() -> str:
    """The well-known confusion: HMAC with what everybody knows."""
    return jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "team-a", "exp": 1e10}, "x" * 64, "HS256", headers={"kid": "r"})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: token(OTHER), "does not hold"),
        (lambda: token(OTHER, "unknown"), "does not publish"),
        (lambda: token(aud="another"), "another audience than streamgauge"),
        (lambda: token(exp=1), "has expired"),
        (lambda: token(exp=None), "does not hold"),
        (lambda: token(nbf=1e10), "does not hold"),
        (lambda: token(sub="a b"), "claim sub names no tenant"),
        (lambda: token(sub=None), "claim sub names no tenant"),
        (unsigned, "does not hold"),
        (with_the_public_key_as_secret, "does not hold"),
    ],
)
def test_what_does_not_hold_is_refused(keys: Published, make: Callable[[], str], told: str) -> None:
    with pytest.raises(BadSignature, match=told):
        asked(of(keys), make())


@pytest.mark.parametrize("text", ["", "ABSKlong-term-key", "eyJ.eyJ.x", "a.b.c", "eyJhbGciOiJub25lIn0.bm8.", "eyJ" + "x" * 20_000 + ".a.b"])
def test_what_is_no_token_of_the_issuers_is_somebody_elses(keys: Published, text: str) -> None:
    assert asked(of(keys), text, token(iss="https://another.example")) == [None, None]
    assert keys.asked == 0


def test_while_keys_cannot_be_had_the_caller_may_try_again(keys: Published) -> None:
    keys.status = 500
    with pytest.raises(IssuerUnreachable, match="cannot be had"):
        asked(of(keys), token())


def test_a_service_accounts_token_of_another_shape_names_nobody(keys: Published) -> None:
    with pytest.raises(BadSignature, match="claim sub names no tenant"):
        asked(of(keys, kubernetes=True), token(sub="user"))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "head",
    [
        "eyJ!!",
        "eyJx",
        encoded('{"alg":"ES256","kid":"r"}'),
        encoded('{"alg":"RS256","kid":"e"}'),
        encoded('{"alg":"none","kid":"r"}'),
        encoded('{"kid":7}'),
    ],
    ids=["garbage", "no JSON", "another kind of key", "another kind of key, the other way", "no algorithm", "a key id that is none"],
)
def test_a_head_that_does_not_hold_is_a_signature_that_does_not(keys: Published, head: str) -> None:
    _, body, signature = token().split(".")
    with pytest.raises(BadSignature):
        asked(of(keys), f"{head}.{body}.{signature}")
