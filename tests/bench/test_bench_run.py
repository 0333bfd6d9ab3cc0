"""What a run rests on: rounds kept and found again, the ledger read as it is, processes seen from outside, scenarios that make sense."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from streamgauge.records import Measurement
from streamgauge.sinks.ledger_table import exchanges, metadata, unmeasured, workers
from tests.bench import processes
from tests.bench.cli import _command, _parser, main
from tests.bench.ledger import read_ledger, remove, rows_so_far
from tests.bench.machine import Watch, calibrate
from tests.bench.scenarios import ALL, Scenario, full, held_open, short, streams
from tests.bench.store import Store, fingerprint
from tests.bench.targets import free_ports


def test_a_round_is_found_again_only_under_the_key_it_was_taken(tmp_path: Path) -> None:
    Store(tmp_path, "code 1").save("unary", 0, [{"target": "nginx"}])
    assert Store(tmp_path, "code 1").load("unary", 0) == [{"target": "nginx"}]
    assert Store(tmp_path, "code 2").load("unary", 0) is None
    assert Store(tmp_path, "code 1").load("unary", 1) is None


def test_a_cleared_store_has_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, "k")
    store.save("unary", 0, [])
    store.clear()
    assert store.load("unary", 0) is None


def test_a_round_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    (tmp_path / "unary.0.json").write_text('{"key": "k", "pie')
    assert Store(tmp_path, "k").load("unary", 0) is None


def test_the_fingerprint_changes_with_the_code_and_not_with_time(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    assert fingerprint(tmp_path) != first


def row(number: int, *, ttft: float | None = 0.03, source: str = "reported") -> dict[str, object]:
    one = Measurement(
        exchange_id=f"{number:036}", started_at="2026-01-01T00:00:00Z", proxy_id="p", outcome="completed",
        streaming=True, ttft=ttft, output_tokens=7, usage_source="reported" if source == "reported" else "unknown",
    )  # fmt: skip
    return dict(msgspec.structs.asdict(one))


def filled(table: sa.Table) -> dict[str, object]:
    """A row of any table that says nothing in particular."""
    return {column.name: column.type.python_type() for column in table.columns}


def test_the_ledger_is_read_as_the_product_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "own" / "ledger.db"
    path.parent.mkdir()
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(exchanges), [row(1), row(2, ttft=None), row(3, source="unknown")])
        connection.execute(sa.insert(workers), [filled(workers) | {"seen": 5}])
        connection.execute(sa.insert(unmeasured), [filled(unmeasured) | {"count": 2}])
    engine.dispose()
    found = read_ledger(path)
    assert (found.rows, found.streaming, found.with_ttft, found.reported, found.output_tokens) == (3, 3, 2, 2, 21)
    assert (found.unmeasured, found.seen, found.completed) == (2, 5, 3)
    assert rows_so_far(path) == 3
    remove(path)
    assert rows_so_far(path) == 0


def test_children_are_found_and_their_cpu_is_counted() -> None:
    release = multiprocessing.get_context("spawn").Event()
    child = multiprocessing.get_context("spawn").Process(target=release.wait)
    child.start()
    try:
        assert child.pid in processes.descendants(os.getpid())
        assert processes.alive(child.pid or 0)
        assert processes.cpu_seconds([child.pid or 0]) >= 0
        assert processes.rss_bytes(child.pid or 0) > 0
    finally:
        release.set()
        child.join(10)


def test_cpu_of_a_process_that_is_gone_is_an_error_and_not_zero() -> None:
    child = multiprocessing.get_context("spawn").Process(target=int)
    child.start()
    gone = child.pid or 0
    child.join(10)
    assert not processes.alive(gone)
    with pytest.raises(ProcessLookupError):
        processes.cpu_seconds([gone])


def test_our_own_cpu_clock_agrees_with_the_one_seen_from_outside() -> None:
    before = processes.cpu_seconds([os.getpid()])
    sum(range(200_000))
    assert 0 < processes.cpu_seconds([os.getpid()]) - before < 5
    assert processes.pss_bytes(os.getpid()) <= processes.rss_bytes(os.getpid()) * 1.1


def test_the_process_that_holds_a_connection_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert processes.holders(port, [os.getpid()]) == []
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            with accepted:
                assert processes.holders(port, [os.getpid(), 1]) == [os.getpid()]


def test_ports_are_all_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_the_cores_own_speed_and_its_use_are_seen() -> None:
    watch = Watch(0)
    thread = threading.Thread(target=calibrate, args=(0,))
    thread.start()
    thread.join()
    shares = watch.shares()
    assert shares["seconds"] > 0
    assert 0 <= shares["stolen"] <= 1.5


@pytest.mark.parametrize("form", [full, short])
def test_scenarios_have_one_name_each_and_a_load_that_fits(form: Callable[[], list[Scenario]]) -> None:
    found = form()
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert set(one.targets) <= set(ALL)
        assert one.load or one.kind in {"gone", "idle"}
        assert one.load is None or (one.load.rate is None) != (one.load.callers is None)


def test_the_short_form_runs_scenarios_of_the_full_one() -> None:
    assert {one.name for one in short()} <= {one.name for one in full()}


def test_streams_arrive_as_fast_as_that_many_streams_end() -> None:
    load = streams(1000)
    assert load.rate == 250
    assert load.plan == "stream n=100 s=200 d=40 t=30 j=20"
    assert load.warm > 4.03


def test_streams_held_open_outlive_the_window() -> None:
    load = held_open(5000, ramp=10, window=4)
    chunks = load.output_tokens
    assert 0.1 + (chunks - 1) * 2 >= load.warm + load.window
    assert load.drain > chunks * 2


def test_an_unknown_scenario_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "streems-1"]) == 4
    told = capsys.readouterr().err
    assert "streems-1" in told
    assert "streams-1000" in told


def test_a_result_says_how_to_run_the_same_again_and_names_no_folder() -> None:
    options = _parser().parse_args(["--full", "--only", "unary,idle", "--rounds", "1", "--streamgauge", "/a/b", "--save", "/c/d.json"])
    assert _command("full", options) == "tests/bench/run.py --full --only unary,idle --rounds 1"
    assert _command("short", _parser().parse_args([])) == "tests/bench/run.py --short"
