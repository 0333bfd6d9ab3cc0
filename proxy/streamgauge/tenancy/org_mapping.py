"""Tenants to teams to cost centres, each from a day on, so that a reorganisation does not rewrite what was.

The file is CSV: ``kind,name,team,cost_centre,from,until``. A ``tenant`` row names its team or its cost centre, a ``team`` row the team above it or its
cost centre. ``until`` may be empty: then the row holds until the next one of the same name.
"""

from __future__ import annotations

import csv
import difflib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec

from streamgauge.errors import UsageError
from streamgauge.tenancy.claims import NAME

COLUMNS = ("kind", "name", "team", "cost_centre", "from", "until")
MAX_ROWS = 100_000
"""More than any company has teams; a file beyond it is another file."""

SHOWN = 20
"""Mistakes that are told at once: who has more has made one of them everywhere."""

_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_OPEN = "9999-12-31"


class Row(msgspec.Struct, frozen=True):
    """One line: from the first day to the day before ``until``."""

    line: int
    kind: str
    name: str
    team: str | None
    cost_centre: str | None
    since: str
    until: str


class Placed(msgspec.Struct, frozen=True):
    """Where a tenant belongs on one day."""

    team: str | None = None
    cost_centre: str | None = None


class OrgMapping:
    """Rows, ready to ask."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.since):
            self._rows.setdefault((row.kind, row.name), []).append(row)

    def place(self, tenant: str, team: str | None, day: str) -> Placed:
        """Team and cost centre of ``tenant`` on ``day``; ``team`` is what is said elsewhere, for a tenant that is not listed."""
        row = self.at("tenant", tenant, day)
        if row is not None:
            team = row.team or team
            if row.cost_centre is not None:
                return Placed(team, row.cost_centre)
        above = self.chain(team, day)
        return Placed(team, next((step.cost_centre for step in above if step.cost_centre is not None), None))

    def chain(self, team: str | None, day: str) -> Iterator[Row]:
        """The rows of a team and of those above it, each once."""
        seen: set[str] = set()
        while team is not None and team not in seen:
            seen.add(team)
            row = self.at("team", team, day)
            if row is None:
                return
            yield row
            team = row.team

    def at(self, kind: str, name: str, day: str) -> Row | None:
        """The row in force, if there is one."""
        rows = self._rows.get((kind, name))
        if not rows:
            return None
        place = bisect_right(rows, day, key=lambda row: row.since) - 1
        return rows[place] if place >= 0 and day < rows[place].until else None


def read_mapping(text: str, where: str) -> OrgMapping:
    """The mapping in a file's text. Raises ``UsageError`` naming each mistake with its line."""
    found: list[tuple[int, str]] = []
    rows = list(_read(text, found))
    rows = _closed(rows, found)
    mapping = OrgMapping(rows)
    found += _unknown(rows)
    found += _cycles(rows, mapping)
    if found:
        lines = [f"line {line}: {what}" for line, what in sorted(found)]
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise UsageError(f"{len(lines)} mistake(s) in the mapping {where}:\n  " + "\n  ".join(lines[:SHOWN] + more))
    return mapping


def _read(text: str, found: list[tuple[int, str]]) -> Iterator[Row]:
    lines = csv.reader(text.removeprefix("\ufeff").splitlines())
    header: list[str] | None = None
    for count, cells in enumerate(lines):
        if count > MAX_ROWS:
            found.append((lines.line_num, f"more than {MAX_ROWS} lines: is this the right file?"))
            return
        stripped = [cell.strip() for cell in cells]
        if not any(stripped) or stripped[0].startswith("#"):
            continue
        if header is None:
            header = [cell.lower() for cell in stripped]
            if tuple(header) not in (COLUMNS, COLUMNS[:-1]):
                found.append((lines.line_num, f"the first line must be {','.join(COLUMNS)}"))
                return
        elif (row := _row(lines.line_num, stripped + [""] * (6 - len(stripped)), found)) is not None:
            yield row


def _row(line: int, cells: list[str], found: list[tuple[int, str]]) -> Row | None:
    kind, name, team, centre, since, until = cells[:6]
    wrong: list[str] = []
    if len(cells) > 6:
        wrong.append(f"has {len(cells)} columns instead of 6")
    if kind not in ("tenant", "team"):
        wrong.append(f"kind {kind[:20]!r} is neither tenant nor team")
    wrong += [f"{cell[:40]!r} is not a name" for cell in (name, team, centre) if cell and not NAME.fullmatch(cell)]
    if not name:
        wrong.append("names nobody")
    if not team and not centre:
        wrong.append("names neither a team nor a cost centre that it belongs to")
    wrong += [f"{day[:20]!r} is not a day such as 2026-01-31" for day in (since, until or _OPEN) if not _DAY.fullmatch(day)]
    if not wrong and until and until <= since:
        wrong.append(f"ends on {until}, before it begins on {since}")
    found += [(line, what) for what in wrong]
    return None if wrong else Row(line, kind, name, team or None, centre or None, since, until or "")


def _closed(rows: list[Row], found: list[tuple[int, str]]) -> list[Row]:
    """Each row with its end. Two of the same name may not hold on the same day."""
    out: list[Row] = []
    latest: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row.since, row.line), reverse=True):
        key = (row.kind, row.name)
        after = latest.get(key)
        if after is not None and (row.since == after.since or (row.until and row.until > after.since)):
            first, second = sorted((row.line, after.line))
            found.append((second, f"{row.kind} {row.name} overlaps line {first} from {after.since} on: end the earlier one or move this"))
        ended = msgspec.structs.replace(row, until=row.until or (after.since if after is not None else _OPEN))
        latest[key] = ended
        out.append(ended)
    return out


def _unknown(rows: list[Row]) -> Iterator[tuple[int, str]]:
    """A team without a line of its own is a slip of the pen, where teams have lines at all."""
    teams = {row.name for row in rows if row.kind == "team"}
    if not teams:
        return
    for row in rows:
        if row.team is not None and row.team not in teams:
            near = difflib.get_close_matches(row.team, teams, 1)
            hint = f"; did you mean {near[0]}?" if near else ": give it one, with its cost centre"
            yield row.line, f"team {row.team} has no line of its own{hint}"


def _cycles(rows: list[Row], mapping: OrgMapping) -> Iterator[tuple[int, str]]:
    """A cycle is in force from the day its last row begins, so it is enough to walk up from each row on its own first day."""
    for row in rows:
        if row.kind != "team" or row.team is None:
            continue
        above = [step.name for step in mapping.chain(row.team, row.since)]
        if row.name in above:
            way = " -> ".join([row.name, *above[: above.index(row.name) + 1]])
            yield row.line, f"from {row.since} on the teams go round in a circle: {way}"
