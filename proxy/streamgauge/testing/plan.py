"""From a script's answer to the list of writes: when each leaves, what it completes, how it ends.

Knows: timing, grouping, cutting, faults.
Must not know: protocols, sockets, clocks. Moments are seconds since the request was received whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from streamgauge.testing import shapes_errors as errors
from streamgauge.testing.answers import Answer, Headers
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_eventstream import damaged_crc, damaged_prelude

Ending = Literal["clean", "fin", "reset", "hang"]

_SILENT: dict[str, Ending] = {"no_answer": "hang", "close_before_head": "fin", "reset_before_head": "reset"}
_SHORT: dict[str, Ending] = {
    "cut_fin": "fin",
    "cut_reset": "reset",
    "cut_clean": "clean",
    "early_fin": "fin",
    "early_reset": "reset",
    "early_end": "clean",
    "hang": "hang",
}
_GARBAGE = b"\x00\xfe\xff no protocol looks like this \x00\r\n"


@dataclass(frozen=True)
class Write:
    """Body bytes that leave together at ``due`` and the kinds of event they complete."""

    due: float
    data: bytes
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """One response. ``head_due`` None: no head is ever sent. ``length`` None: the body is chunked."""

    status: int
    headers: Headers
    head_due: float | None
    writes: tuple[Write, ...]
    ending: Ending
    length: int | None = None


def plan(answer: Answer | None, script: Script) -> Plan:
    """The whole course of one response; ``answer`` None stands for a path the service does not know.

    Raises ``ValueError`` for a fault that the answer's protocol does not have.
    """
    if script.fault in _SILENT:
        return Plan(script.status, (), None, (), _SILENT[script.fault])
    if answer is None:
        return _refused(404, errors.unknown_operation(), script)
    if script.status >= 300 or script.error_code is not None:
        refusal = errors.refusal(answer.style, script.status, script.error_code, script.error_message)
        return _refused(script.status, refusal, script)
    return _good(answer, script)


def _good(answer: Answer, script: Script) -> Plan:
    frames, ending = faulty(answer, script)
    encoded = tuple(_gzipped(frames)) if script.gzip else frames
    timed = _timed(encoded, script, answer.streamed)
    writes = tuple(_cut(_grouped(timed, script.frames_per_write), script))
    headers = answer.headers + ((("Content-Encoding", "gzip"),) if script.gzip else ())
    length = None if answer.streamed else _announced(answer, script, encoded)
    natural = 0.0 if answer.streamed else (writes[0].due if writes else script.ttft)
    head_due = natural if script.head_after is None else script.head_after
    return Plan(script.status, headers, head_due, writes, ending, length)


def _announced(answer: Answer, script: Script, encoded: Sequence[Frame]) -> int:
    """The Content-Length: of the whole body, also where only a part of it will come."""
    if script.fault not in _SHORT:
        return sum(len(frame.data) for frame in encoded)
    return sum(len(frame.data) for frame in (_gzipped(answer.frames) if script.gzip else answer.frames))


def _refused(status: int, refusal: errors.Refusal, script: Script) -> Plan:
    headers, body = refusal
    due = script.head_after or 0.0
    return Plan(status, headers, due, (Write(due, body, ("body",)),), "clean", len(body))


def faulty(answer: Answer, script: Script) -> tuple[tuple[Frame, ...], Ending]:
    """The frames with the script's fault worked in, and how the body ends."""
    frames, fault = answer.frames, script.fault
    if fault is None:
        return frames, "clean"
    at = _strikes(frames, script.fault_after)
    struck = frames[at]
    if fault in _SHORT:
        rest = (Frame(struck.data[: len(struck.data) // 2]),) if fault.startswith("cut") else ()
        return frames[:at] + rest, _short_ending(answer, fault)
    if fault == "garbage":
        return (*frames[:at], Frame(_GARBAGE, ("fault",)), *frames[at:]), "clean"
    if fault in ("bad_crc", "bad_prelude"):
        damage = damaged_crc if fault == "bad_crc" else damaged_prelude
        return (*frames[:at], Frame(damage(struck.data), ("fault",)), *frames[at + 1 :]), "clean"
    if fault not in answer.faults:
        raise ValueError(f"{answer.operation} has no fault {fault!r}; it has {sorted(answer.faults)} and the ones of the connection")
    return (*frames[:at], Frame(answer.faults[fault], ("fault",))), "clean"


def _short_ending(answer: Answer, fault: str) -> Ending:
    ending = _SHORT[fault]
    # A body with a length that ends early cannot end properly: closing is all that is left.
    return "fin" if ending == "clean" and not answer.streamed else ending


def _strikes(frames: Sequence[Frame], after: int) -> int:
    """The position of the first frame that the fault takes: the output after ``after`` others, else what follows the last output."""
    outputs = [at for at, frame in enumerate(frames) if frame.is_output]
    if after < len(outputs):
        return outputs[after]
    return min(outputs[-1] + 1, len(frames) - 1) if outputs else 0


def _timed(frames: Sequence[Frame], script: Script, streamed: bool) -> list[tuple[float, Frame]]:
    if not streamed:
        return [(script.ends_at(script.outputs()), frame) for frame in frames]
    total, seen, timed = sum(frame.is_output for frame in frames), 0, []
    for frame in frames:
        timed.append((_due(script, frame, seen, total), frame))
        seen += frame.is_output
    return timed


def _due(script: Script, frame: Frame, seen: int, total: int) -> float:
    if frame.is_output or "fault" in frame.kinds:
        return script.output_at(seen)
    if seen == 0 and total:
        return script.start_after
    return script.output_at(seen - 1) if seen < total else script.ends_at(total)


def _grouped(timed: list[tuple[float, Frame]], size: int) -> list[tuple[float, list[Frame]]]:
    """Writes of whole frames. What comes before the first output keeps its own writes, so that its moment stays its own."""
    groups: list[tuple[float, list[Frame]]] = []
    seen, total = 0, sum(frame.is_output for _, frame in timed)
    for due, frame in timed:
        opens = seen == 0 or not groups or len(groups[-1][1]) >= size or seen == total
        seen += frame.is_output
        if opens:
            groups.append((due, [frame]))
        else:
            groups[-1] = (due, [*groups[-1][1], frame])
    return groups


def _cut(groups: Iterable[tuple[float, list[Frame]]], script: Script) -> Iterable[Write]:
    for due, frames in groups:
        data, ends = b"".join(frame.data for frame in frames), _ends(frames)
        for number, (start, end) in enumerate(borders(len(data), script.split)):
            kinds = tuple(kind for at, frame in zip(ends, frames, strict=True) if start < at <= end for kind in frame.kinds)
            yield Write(due + number * script.split_gap, data[start:end], kinds)


def _ends(frames: Sequence[Frame]) -> list[int]:
    ends, at = [], 0
    for frame in frames:
        at += len(frame.data)
        ends.append(at)
    return ends


def borders(length: int, pieces: int) -> list[tuple[int, int]]:
    """``length`` bytes in at most ``pieces`` parts of about equal size, none of them empty (one empty part for no bytes)."""
    count = max(1, min(pieces, length))
    marks = [length * at // count for at in range(count + 1)]
    return list(pairwise(marks))


def _gzipped(frames: Sequence[Frame]) -> Iterable[Frame]:
    packer = zlib.compressobj(wbits=31)
    for number, frame in enumerate(frames):
        last = number == len(frames) - 1
        yield replace(frame, data=packer.compress(frame.data) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
