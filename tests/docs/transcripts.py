"""Plays the commands of a page against a seeded ledger and puts down what they write.

``python -m tests.docs.transcripts`` rewrites the pages; a test compares them.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

from tests.docs.terminals import on_a_terminal
from tests.reports.ledgers import day, write

ROOT = Path(__file__).parents[2]

PAGES = ("docs/how-to/configure-it.md", "docs/how-to/read-reports.md", "docs/how-to/use-your-own-prices.md")

_FILE = re.compile(r"```yaml\n# (\w+\.yaml)\n.*?```", re.DOTALL)
_BLOCK = re.compile(r"```console\n\$ streamgauge ([^\n]*)\n.*?```", re.DOTALL)


def ledger(folder: Path) -> Path:
    """The ledger that the pages show."""
    return write(folder / "ledger.db", day(5_000))


def played(page: str, folder: Path) -> str:
    """The page with the present output under each command; YAML that begins with a file's name is that file."""
    for file in _FILE.finditer(page):
        (folder / file[1]).write_text(file[0].removeprefix("```yaml\n").removesuffix("```"), encoding="utf-8")

    def play(block: re.Match[str]) -> str:
        shown = on_a_terminal(shlex.split(block[1]), folder)
        return f"```console\n$ streamgauge {block[1]}\n{shown.rstrip()}\n```"

    return _BLOCK.sub(play, page)


def main() -> None:
    """Rewrite every page."""
    with tempfile.TemporaryDirectory() as name:
        ledger(Path(name))
        for page in PAGES:
            (ROOT / page).write_text(played((ROOT / page).read_text(encoding="utf-8"), Path(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
