"""Numbers and moments as people read them. Pure."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Three significant digits with the unit that fits: ``310 µs``, ``41.2 ms``, ``4.21 s``, ``2 min 05 s``, ``3 h 07 min``."""
    if not seconds:
        return "0 s"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{_three(seconds * 1e3)} ms"
    if seconds < 59.95:
        return f"{_three(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def _three(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def percent(part: float, whole: float) -> str:
    """``78 %``; a digit more below ten and above ninety, and never ``0 %`` for something or ``100 %`` for not all."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if share < 0.1:
        return "<0.1 %"
    if share == 100:
        return "100 %"
    if share < 9.95 or share >= 90.05:
        return f"{min(share, 99.9):.1f} %"
    return f"{share:.0f} %"


def moment(rfc3339: str | None, *, milliseconds: bool = False) -> str:
    """``2026-11-25 05:09:00`` of a ledger's time stamp, always UTC; ``-`` for none."""
    if rfc3339 is None:
        return "-"
    return rfc3339[: 23 if milliseconds else 19].replace("T", " ")


def plural(count: int, noun: str) -> str:
    """``1 exchange``, ``5,000 exchanges``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listing(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
