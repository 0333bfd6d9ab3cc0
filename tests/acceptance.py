"""Everything there is to run, in pieces: what passed for this very state of the tree is not run again.

``python tests/acceptance.py`` goes on where it stopped; ``--list`` says what is done; ``--only NAME`` runs one piece, done or not.
Logs and results are in ``build/acceptance/``; ``--save FILE`` writes down what is known of this state of the tree, for the documentation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "acceptance"
PYTHON = sys.executable
BIN = Path(PYTHON).parent
PYTEST = (PYTHON, "-m", "pytest")
SEEDS = (1, 2, 3)
"""Orders of the suite: enough that a test leaning on another one is found."""
OWN_REPORT = (b"docs/reference/acceptance-results.json", b"docs/reference/acceptance-results.md")
"""What is written down of a state of the tree is no part of that state."""

Record = dict[str, Any]
"""A piece that was run: name, command, date (UTC), seconds, result and commit."""


@dataclass(frozen=True)
class Piece:
    """One command and its name. It has passed when it exits with 0."""

    name: str
    command: tuple[str, ...]

    def told(self) -> str:
        """The command as one would type it in the environment."""
        return shlex.join([Path(self.command[0]).name, *self.command[1:]])


def pieces() -> list[Piece]:
    """All of them, the quick ones first."""
    orders = [Piece(f"suite-order-{seed}", (*PYTEST, f"--randomly-seed={seed}")) for seed in SEEDS]
    return [
        Piece("check", ("make", "check")),
        *orders,
        Piece("demo", (str(BIN / "streamgauge"), "demo")),
        Piece("demo-model", (str(BIN / "streamgauge"), "demo", "--model")),
        Piece("properties", (*PYTEST, "-m", "hypothesis", "--hypothesis-profile=acceptance", "--timeout=1800")),
        *_long(),
        Piece("bench", (PYTHON, "-m", "tests.bench", "--full")),
    ]


def _long() -> list[Piece]:
    """One piece for each test marked ``long``."""
    listed = subprocess.run([*PYTEST, "--collect-only", "-q", "-q", "-m", "long"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode not in (0, 5):  # 5: no such test
        sys.exit(f"acceptance: the long tests cannot be collected\n{listed.stdout}{listed.stderr}")
    files = [line.rpartition(": ")[0] for line in listed.stdout.splitlines() if line.startswith("tests/")]
    return [Piece("long-" + Path(file).stem.removeprefix("test_"), (*PYTEST, "-m", "long", file)) for file in files]


def state_of_the_tree() -> str:
    """A name for what the tracked files hold now: a piece that passed before a change has to pass again after it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    digest = hashlib.sha256()
    for name in sorted(name for name in names if name and name not in OWN_REPORT):
        path = ROOT / name.decode()
        digest.update(name + b"\0" + (path.read_bytes() if path.is_file() else b"gone"))
    return digest.hexdigest()[:12]


def commit() -> str:
    """The commit that is checked out, with a mark when the tracked files are not as it has them."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, check=False).returncode
    return f"{head} and changes" if changed else head


def run(piece: Piece, kept: Path) -> bool:
    """Run one piece with its output in a log of its own, and keep a record of it; whether it passed."""
    log = kept / f"{piece.name}.log"
    print(f"{piece.name:<28} ...", end="", flush=True)
    record: Record = {"name": piece.name, "command": piece.told(), "date": datetime.now(UTC).date().isoformat(), "commit": commit()}
    started = time.monotonic()
    with log.open("wb") as out:
        code = subprocess.run(
            piece.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    record |= {"seconds": round(time.monotonic() - started), "result": f"exit {code}" if code else "passed"}
    print(f"\r{piece.name:<28} {f'FAILED with {code}, see {log}' if code else 'passed'}, {record['seconds']} s")
    (kept / f"{piece.name}.json").write_text(json.dumps(record))
    return code == 0


def recorded(name: str, kept: Path) -> Record | None:
    """How that piece went the last time in this state of the tree; ``None`` when it was not run."""
    try:
        found: Record = json.loads((kept / f"{name}.json").read_text())
    except (FileNotFoundError, ValueError):  # a record that was cut off is none
        return None
    return found


def passed(name: str, kept: Path) -> bool:
    """Whether that piece need not be run again."""
    record = recorded(name, kept)
    return record is not None and record["result"] == "passed"


def summary(known: Sequence[Piece], kept: Path) -> dict[str, Any]:
    """What is known of this state of the tree, pieces that were not run included."""
    unknown = {"date": None, "seconds": None, "result": "not run", "commit": None}
    return {
        "system": f"{platform.system()} {platform.machine()}, CPython {platform.python_version()}",
        "tree": kept.name,
        "pieces": [recorded(piece.name, kept) or {"name": piece.name, "command": piece.told()} | unknown for piece in known],
    }


def main() -> int:
    """0: all pieces have passed for this state of the tree; 1: one has failed; 2: usage."""
    parser = argparse.ArgumentParser(prog="tests/acceptance.py", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say what there is and what has passed")
    parser.add_argument("--only", metavar="NAME", help="run this piece, passed before or not")
    parser.add_argument("--save", metavar="FILE", type=Path, help="write what is known afterwards as JSON there")
    options = parser.parse_args()
    kept = KEPT / state_of_the_tree()
    kept.mkdir(parents=True, exist_ok=True)
    known = pieces()
    done = {piece.name: passed(piece.name, kept) for piece in known}
    if options.only and options.only not in done:
        parser.error(f"no piece {options.only}; there are: {', '.join(done)}")
    if options.list:
        print("\n".join(f"{name:<28} {'passed' if good else '-'}" for name, good in done.items()))
        todo = failed = []
    else:
        todo = [piece for piece in known if (piece.name == options.only if options.only else not done[piece.name])]
        failed = [piece for piece in todo if not run(piece, kept)]
        before = sum(done.values()) - sum(done[piece.name] for piece in todo)
        print(f"{before} had passed before, {len(todo) - len(failed)} passed now, {len(failed)} failed, of {len(known)}")
    if options.save:
        options.save.write_text(json.dumps(summary(known, kept), indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
