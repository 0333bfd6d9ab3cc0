"""A shared ledger that is away under load, and recorders that are killed: no call is harmed, and every sum is the same everywhere."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamgauge.records import Ended, Measurement
from streamgauge.reports.parquet_export import export
from streamgauge.reports.query import Ledger
from streamgauge.reports.rollup_query import sums
from streamgauge.reports.selection import Selection
from streamgauge.sinks.ledger_write import for_writing
from streamgauge.sinks.outbox import open_outbox
from streamgauge.sinks.rollup_rebuild import differing
from streamgauge.spool import SpoolSettings, SpoolWriter
from streamgauge.testing import Script, ScriptedUpstream
from tests.chaos.callers import Callers
from tests.chaos.serving import Serving, until
from tests.postgres import Database, Server
from tests.recorder.driving import RecorderProcess, account, ledger_rows
from tests.sinks.money_rows import MIDNIGHT, row, total_pico, usd

SCRIPT = Script(output_tokens=8, ttft=0.004, gap=0.002)

LONG = [pytest.mark.long, pytest.mark.timeout(300)]


def _everywhere(ledger: Path, database: Database, out: Path) -> set[tuple[int, int]]:
    """Rows and pico-dollars by each way there is to find them."""
    rows = ledger_rows(ledger)
    found = {(len(rows), total_pico(rows))}
    for name in (str(ledger), database.open_url):
        with for_writing(name) as engine:
            assert differing(engine) == []
        with Ledger(name) as opened:
            for by in (("team", "model", "day"), ("hour",), ()):
                lines = sums(opened, Selection(by=by))
                found.add((sum(line.exchanges for line in lines), sum(line.cost_pico for line in lines)))
            export(opened, Selection(), out, group_rows=1000)
        costs = [cost for cost in pq.read_table(out).column("cost_usd").to_pylist() if cost is not None]
        found.add((pq.read_metadata(out).num_rows, int(sum(costs, Decimal(0)) * 10**12)))
    ((count, cost),) = database.rows("SELECT count(*), coalesce(sum(CAST(cost_usd AS numeric)), 0) * 1000000000000 FROM exchanges")
    return found | {(count, int(cost))}


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=LONG)])
def test_a_shared_ledger_that_is_away_under_load_harms_no_call_and_loses_and_doubles_nothing(
    tmp_path: Path, postgres_server: Server, database: Database, seconds: float
) -> None:
    shared = {"url": database.url, "password_file": database.password_file}
    with ScriptedUpstream(SCRIPT) as upstream, Serving(tmp_path, upstream.url, shared_ledger=shared) as serving:
        with Callers(serving.address) as callers:
            until(lambda: database.rows("SELECT 1 FROM pg_tables WHERE tablename = 'exchanges'"), "tables")
            until(lambda: database.rows("SELECT 1 FROM exchanges LIMIT 1"), "rows in the shared ledger")
            gone, answered = time.monotonic(), callers.answered()
            postgres_server.stop()
            try:
                until(
                    lambda: time.monotonic() - gone > seconds and callers.answered() > answered + 50, "answers in the outage", seconds + 30
                )
                with open_outbox(serving.ledger) as box:
                    assert box.size() > 0
            finally:
                postgres_server.start()
            enough = callers.answered() + 50
            until(lambda: callers.answered() >= enough, "answers after the outage")
        until(lambda: database.rows("SELECT count(*) FROM exchanges") == [(len(callers.calls),)], "all rows in the shared ledger", 60)
        assert serving.stop() == 0
    assert Counter(made.became for made in callers.calls) == {"whole": len(callers.calls)}
    assert {made.status for made in callers.calls} == {200}
    found = account(serving.ledger)
    assert (found.seen, len(found.outcomes), found.unmeasured) == (len(callers.calls), len(callers.calls), {})
    assert {name for (name,) in database.rows("SELECT exchange_id FROM exchanges")} == set(found.outcomes)
    assert database.rows("SELECT sum(seen), sum(rows), bool_and(finished) FROM workers") == [(found.seen, found.seen, True)]
    assert len(_everywhere(serving.ledger, database, tmp_path / "out.parquet")) == 1


def _exchange(number: int, chance: random.Random) -> Measurement:
    """Around a midnight, each with an amount of its own."""
    return row(
        f"x{number:07d}",
        MIDNIGHT + timedelta(seconds=number - 700),
        team=chance.choice(("search", "chat", None)),
        requested_model=chance.choice(("m-one", "m-two")),
        cost_usd=usd(chance.randrange(1, 3 * 10**12)) if chance.random() < 0.9 else None,
        input_tokens=chance.randrange(100_000),
    )


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=LONG)])
def test_sums_are_the_same_everywhere_after_kills_replays_outages_and_a_midnight(
    tmp_path: Path, postgres_server: Server, database: Database, rounds: int
) -> None:
    chance, spool, ledger = random.Random(rounds), tmp_path / "spool", tmp_path / "ledger.db"
    shared = {"url": database.url, "password_file": database.password_file, "batch_rows": 200}
    writer = SpoolWriter(spool, SpoolSettings(segment_bytes=100_000), "w0")
    sent: list[Measurement] = []
    done = threading.Event()

    def traffic() -> None:
        while not done.wait(0.01):
            for _ in range(8):
                writer.seen()
                sent.append(_exchange(len(sent), chance))
                writer.append(Ended(sent[-1]))
            writer.append(Ended(sent[-3]))  # as after a restart that reads a part of a spool again

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        for number in range(rounds):
            recorder = RecorderProcess(spool, ledger, shared_ledger=shared)
            enough = len(sent) + random.Random(number).randrange(300, 900)
            until(lambda enough=enough: len(sent) > enough, "traffic")  # type: ignore[misc]
            if number == rounds // 2:
                postgres_server.stop()
            recorder.kill()
            if number == rounds // 2 + 1:
                postgres_server.start()
    finally:
        done.set()
        thread.join()
        postgres_server.start()
    last = RecorderProcess(spool, ledger, shared_ledger=shared)
    assert writer.close()
    until(lambda: ledger.exists() and len(ledger_rows(ledger)) == len(sent), "all rows", 60)
    until(lambda: database.rows("SELECT to_regclass('exchanges')") != [(None,)], "tables")
    until(lambda: database.rows("SELECT count(*) FROM exchanges") == [(len(sent),)], "all rows in the shared ledger", 60)
    assert last.hang_up()[0] == 0
    assert {each.started_at[:10] for each in sent} == {"2026-11-24", "2026-11-25"}
    assert _everywhere(ledger, database, tmp_path / "out.parquet") == {(len(sent), total_pico(sent))}
