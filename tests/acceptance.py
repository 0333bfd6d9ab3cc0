"""Everything there is to run, in pieces: what passed for this very state of the tree is not run again.

``python tests/acceptance.py`` goes on where it stopped; ``--list`` says what is done; ``--only NAME`` runs one piece, done or not.
Logs are in ``build/acceptance/``.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "acceptance"
PYTHON = sys.executable
BIN = Path(PYTHON).parent
PYTEST = (PYTHON, "-m", "pytest")
SEEDS = (1, 2, 3)
"""Orders of the suite: enough that a test leaning on another one is found."""


@dataclass(frozen=True)
class Piece:
    """One command and its name. It has passed when it exits with 0."""

    name: str
    command: tuple[str, ...]


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
    for name in sorted(filter(None, names)):
        path = ROOT / name.decode()
        digest.update(name + b"\0" + (path.read_bytes() if path.is_file() else b"gone"))
    return digest.hexdigest()[:12]


def run(piece: Piece, kept: Path) -> bool:
    """Run one piece with its output in a log of its own; whether it passed."""
    log = kept / f"{piece.name}.log"
    print(f"{piece.name:<28} ...", end="", flush=True)
    started = time.monotonic()
    with log.open("wb") as out:
        code = subprocess.run(
            piece.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    print(
        f"\r{piece.name:<28} {'passed' if code == 0 else f'FAILED with {code}, see {log.relative_to(ROOT)}'}, {time.monotonic() - started:.0f} s"
    )
    if code == 0:
        (kept / f"{piece.name}.passed").touch()
    return code == 0


def main() -> int:
    """0: all pieces have passed for this state of the tree; 1: one has failed; 2: usage."""
    parser = argparse.ArgumentParser(prog="tests/acceptance.py", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say what there is and what has passed")
    parser.add_argument("--only", metavar="NAME", help="run this piece, passed before or not")
    options = parser.parse_args()
    kept = KEPT / state_of_the_tree()
    kept.mkdir(parents=True, exist_ok=True)
    known = pieces()
    passed = {piece.name: (kept / f"{piece.name}.passed").exists() for piece in known}
    if options.list:
        print("\n".join(f"{name:<28} {'passed' if done else '-'}" for name, done in passed.items()))
        return 0
    if options.only and options.only not in passed:
        parser.error(f"no piece {options.only}; there are: {', '.join(passed)}")
    todo = [piece for piece in known if (piece.name == options.only if options.only else not passed[piece.name])]
    failed = [piece.name for piece in todo if not run(piece, kept)]
    print(f"{len(known) - len(todo)} had passed before, {len(todo) - len(failed)} passed now, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
