"""What finding and signing a request costs: microseconds per request, ours against botocore's signer in alternating rounds.

Run from the repository's root: python -m tests.bench.micro_signing [--rounds N]
Shown is the median of the rounds, and the median of the ratios within a round: other load of the machine then meets both alike.
"""

from __future__ import annotations

import argparse
import statistics
import timeit
from collections.abc import Callable

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from streamgauge.authorization import read_authorization
from streamgauge.relay.sigv4 import Credentials, Headers, payload_hash, sign
from streamgauge.routing import Routes, shipped_table
from streamgauge.targets import Targets, TargetSettings

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
TOKEN = "t" * 800
"""About as long as the session token of an assumed role."""

CALLERS = b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
HEADERS: Headers = [
    (b"Host", HOST.encode()),
    (b"Content-Type", b"application/json"),
    (b"User-Agent", b"Boto3/1.44 " + b"x" * 150),
    (b"X-Amz-Date", b"20150830T123600Z"),
    (b"Authorization", CALLERS),
    (b"amz-sdk-invocation-id", b"00000000-0000-0000-0000-000000000000"),
    (b"amz-sdk-request", b"attempt=1; max=3"),
    (b"Content-Length", b"2048"),
    (b"Accept-Encoding", b"identity"),
]
"""What boto3 sends with a ConverseStream call."""


def _ours(body: bytes) -> Callable[[], object]:
    own = Credentials("AKIDEXAMPLE", "secret", TOKEN)
    return lambda: sign("POST", PATH.encode(), HEADERS, payload_hash(body), own, "us-east-1", "bedrock", "20150830T123600Z")


def _botocore(body: bytes) -> Callable[[], object]:
    own = BotocoreCredentials("AKIDEXAMPLE", "secret", TOKEN)
    kept = {name.decode(): value.decode() for name, value in HEADERS if name in (b"Host", b"Content-Type")}

    def run() -> object:
        request = AWSRequest("POST", f"https://{HOST}{PATH}", data=body, headers=kept)
        SigV4Auth(own, "bedrock", "us-east-1").add_auth(request)
        return request.headers.items()

    return run


def _microseconds(run: Callable[[], object], number: int) -> float:
    return timeit.timeit(run, number=number) / number * 1e6


def _compare(size: int, rounds: int) -> None:
    ours, botocore = _ours(b"x" * size), _botocore(b"x" * size)
    pairs = [(_microseconds(ours, 500), _microseconds(botocore, 500)) for _ in range(rounds)]
    own, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(second / first for first, second in pairs)
    print(f"sign {size:>7,} bytes   ours {own:6.1f}   botocore {theirs:6.1f}   ratio {ratio:4.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for size in (0, 2_048, 65_536):
        _compare(size, rounds)
    table = shipped_table()
    routes, targets = Routes(table), Targets(TargetSettings(), table)
    operation, authorization = routes.match("POST", PATH), read_authorization(CALLERS)
    steps: dict[str, Callable[[], object]] = {
        "Routes.match": lambda: routes.match("POST", PATH),
        "read_authorization": lambda: read_authorization(CALLERS),
        "Targets.resolve": lambda: targets.resolve(PATH, "127.0.0.1:8787", authorization, operation),
    }
    for name, run in steps.items():
        print(f"{name:20} {statistics.median(_microseconds(run, 5_000) for _ in range(rounds)):6.2f}")


if __name__ == "__main__":
    main()
