"""No prompt, answer, header, key or malformed request is found in anything the product leaves behind; where one is leaked, it is found."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamgauge.testing import ScriptedUpstream
from tests.e2e.canaries import ALL, ASKED, SECRET_KEY, search
from tests.e2e.canary_calls import answer, calls, send
from tests.e2e.canary_proxy import WatchedProxy

PACKAGE = Path(__file__).resolve().parents[2] / "proxy" / "streamgauge"


@dataclass(frozen=True)
class Round:
    """Calls through a proxy: how many, their outcomes, what was left behind, and the bytes that were really on a wire."""

    calls: int
    outcomes: list[str]
    left: dict[str, bytes]
    wires: bytes
    bodies: bytes


def go_round(directory: Path, *, fast_path: bool = True, package: Path | None = None, only: str | None = None) -> Round:
    """Make every call once, or the ``only`` one, and look at what is left."""
    with ScriptedUpstream(answer) as upstream, WatchedProxy(directory, upstream.url, fast_path=fast_path, package=package) as proxy:
        proxy.hold_recorder()
        host, port = proxy.address
        made = [call for call in calls(f"{host}:{port}") if only in (None, call.name)]
        answers = [send(proxy.address, call) for call in made]
        left = proxy.look(len(made))
        sent = [call.request + ((call.answer and call.answer.raw) or b"") for call in made]
        bodies = [received.body for received in upstream.received]
        wires = b"\n".join([*sent, *answers, *bodies, *(received.head for received in upstream.received)])
        return Round(len(made), [row.outcome for row in proxy.rows()], left, wires, b"\n".join(bodies))


def named(found: set[tuple[str, str, str]]) -> set[str]:
    return {name for name, _, _ in found}


@pytest.fixture(scope="module", params=[True, False], ids=["fast path", "slow path"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Round:
    return go_round(tmp_path_factory.mktemp("canaries"), fast_path=request.param)


def test_no_canary_is_left_anywhere(whole: Round) -> None:
    assert search(whole.left) == set()


def test_every_canary_was_there_to_be_left(whole: Round) -> None:
    assert set(ALL) - named(search({"wires": whole.wires})) == {SECRET_KEY}
    assert set(ASKED) - named(search({"bodies": whole.bodies})) == set()
    assert len(whole.outcomes) == whole.calls
    assert set(whole.outcomes) >= {
        "completed",
        "client_error",
        "rejected",
        "client_cancelled",
        "throttled",
        "upstream_error",
        "stream_error",
    }


def test_what_was_searched_is_everything_a_proxy_leaves(whole: Round) -> None:
    for what in (".seg", "ledger.db-wal", "stderr", "stdout", "admin /api/v1/exchanges", "report errors --format md", "--format json"):
        assert any(content for where, content in whole.left.items() if what in where), what


@dataclass(frozen=True)
class Leak:
    """One line of the package made leaky. ``call`` meets it; then ``canary`` must be found ``where``, spelled ``how``."""

    module: str
    line: str
    leaky: str
    call: str
    canary: str
    where: str
    how: str = "plain"


WRITE = "__import__('sys').stderr.write"
LEAKS = {
    "the request's body in the log": Leak(
        "relay/walk.py",
        "        facts = self._describe(exchange, target, headers, content)",
        "        facts = self._describe(exchange, target, headers, content); _log.debug('request %r', content)",
        "asked",
        "prompt",
        "at the end/stderr",
    ),
    "the prompt in a field of the record": Leak(
        "relay/walk.py",
        "        m.region = target.region",
        "        m.region = target.region; m.label = content.decode('latin-1')",
        "asked",
        "system prompt",
        "exchanges --limit 0 --format jsonl",
    ),
    "a header in the record": Leak(
        "relay/walk.py",
        "            trace_id=identity.trace_id(headers),",
        "            trace_id=headers.get('authorization'),",
        "bearer",
        "bearer key",
        "while the recorder was held/ledger.db.spool",
    ),
    "the target with its query as the operation": Leak(
        "relay/walk.py",
        "            operation=operation.name,",
        "            operation=message.path,",
        "query",
        "query",
        "admin /api/v1/exchanges",
    ),
    "the upstream's error message as the error's type": Leak(
        "dialects/failed.py",
        "        return code",
        "        return bytes(self._held or b'').decode()",
        "throttled",
        "throttled",
        "report errors --format table",
    ),
    "an in-stream exception's message as the error's type": Leak(
        "dialects/converse.py",
        "self._fault(exception_name(name))",
        "self._fault(payload.decode())",
        "stream exception",
        "stream exception",
        "at the end/ledger.db",
    ),
    "the answer's bytes in hexadecimal on standard error": Leak(
        "dialects/base.py",
        "        frames = self._decoder.feed(body)",
        f"        frames = self._decoder.feed(body); {WRITE}(body.hex())",
        "openai answer",
        "openai answer",
        "at the end/stderr",
        "hex",
    ),
    "a malformed request in base64 on standard error": Leak(
        "relay/downstream.py",
        "        super().data_received(data)",
        f"        super().data_received(data); {WRITE}(__import__('base64').b64encode(data).decode())",
        "request line",
        "request line",
        "at the end/stderr",
        "base64",
    ),
    "our own secret in the log": Leak(
        "relay/request_signer.py",
        "        digest = sigv4.payload_hash(content)",
        f"        digest = sigv4.payload_hash(content); {WRITE}(own.secret_key)",
        "asked",
        SECRET_KEY,
        "at the end/stderr",
    ),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_found(name: str, tmp_path: Path) -> None:
    leak = LEAKS[name]
    copy = tmp_path / "copy" / "streamgauge"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / leak.module).read_text()
    assert source.count(leak.line) == 1, "the line that is made leaky has changed"
    (copy / leak.module).write_text(source.replace(leak.line, leak.leaky))
    found = search(go_round(tmp_path, package=copy.parent, only=leak.call).left)
    assert any(canary == leak.canary and leak.where in where and how == leak.how for canary, where, how in found), found
