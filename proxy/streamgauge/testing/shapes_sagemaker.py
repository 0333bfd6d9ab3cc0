"""SageMaker endpoints: LMI's lines, whole bodies, and any inner bytes in PayloadParts that ignore the inner borders.

Knows: the containers' member names, the envelope.
Must not know: HTTP framing, sockets, clocks.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamgauge.testing.script import Frame, Script
from streamgauge.testing.shapes_claude import compact
from streamgauge.testing.shapes_eventstream import event


def lmi_stream(script: Script) -> tuple[Frame, ...]:
    """LMI's jsonlines: one line per token; the last also carries text and details (and no input count)."""
    words = script.words() or ("",)
    lines = [_line(at, piece) for at, piece in enumerate(words)]
    lines[-1] |= {"generated_text": "".join(words)}
    if script.usage_reported:
        lines[-1] |= {"details": _details(script)}
    last = ("output", "metadata", "end") if words[-1] else ("metadata", "end")
    kinds = [("output",) if piece else ("empty",) for piece in words[:-1]] + [last]
    return tuple(Frame(compact(line).encode() + b"\n", kind) for line, kind in zip(lines, kinds, strict=True))


def lmi_error_line() -> bytes:
    """How an LMI container fails in mid-stream: a last line that says so, under HTTP 200."""
    details = {"finish_reason": "error", "generated_tokens": None, "inputs": None}
    return compact({"details": details, "generated_text": "", "token": {"id": -1, "log_prob": -1, "text": ""}}).encode() + b"\n"


def lmi_whole(script: Script) -> bytes:
    """The whole body of an LMI container."""
    members: dict[str, object] = {"generated_text": "".join(script.words())}
    return compact(members | ({"details": _details(script)} if script.usage_reported else {})).encode()


def tgi_stream(script: Script) -> tuple[Frame, ...]:
    """TGI's server-sent events: one per token; behind the text a special token, which is none, with text and details."""
    words = script.words()
    frames = [
        Frame(_event({**_tgi_token(at, piece), "details": None}), ("output" if piece else "empty",)) for at, piece in enumerate(words)
    ]
    last = {**_tgi_token(len(words), "</s>", special=True), "generated_text": "".join(words), "details": _tgi_details(script)}
    return (*frames, Frame(_event(last), ("metadata", "end")))


def tgi_whole(script: Script) -> bytes:
    """The whole body of a TGI container."""
    return compact([{"generated_text": "".join(script.words()), "details": _tgi_details(script)}]).encode()


def outputs_stream(script: Script) -> tuple[Frame, ...]:
    """LMI's dynamic batch: text alone, no end and no count."""
    return tuple(Frame(compact({"outputs": [piece]}).encode() + b"\n", ("output" if piece else "empty",)) for piece in script.words())


def part(payload: bytes) -> bytes:
    """Inner bytes in their envelope; the payload is raw, not base64."""
    return event("PayloadPart", payload, "application/octet-stream")


def parts(inner: Sequence[Frame], shift: int) -> tuple[Frame, ...]:
    """One part per inner event, its last ``shift`` bytes (but never all) moved into the next part.

    A part has the kinds of the inner events that end in it, so with a shift each event is complete one part later.
    """
    if shift <= 0:
        return tuple(Frame(part(frame.data), frame.kinds) for frame in inner)
    made, held = [], b""
    kinds: tuple[str, ...] = ()
    for frame in inner:
        cut = max(1, len(frame.data) - shift)
        whole = cut >= len(frame.data)
        made.append(Frame(part(held + frame.data[:cut]), kinds + frame.kinds if whole else kinds))
        held, kinds = frame.data[cut:], () if whole else frame.kinds
    return (*made, Frame(part(held), kinds)) if held else tuple(made)


def _event(members: dict[str, object]) -> bytes:
    return b"data:" + compact(members).encode() + b"\n\n"


def _tgi_token(at: int, piece: str, *, special: bool = False) -> dict[str, object]:
    token = {"id": 1000 + at, "text": piece, "logprob": -0.25, "special": special}
    return {"index": at + 1, "token": token, "generated_text": None}


def _tgi_details(script: Script) -> dict[str, object] | None:
    if not script.usage_reported:
        return None
    usage = script.usage()
    finish = "length" if script.stop_reason == "max_tokens" else "eos_token"
    return {"finish_reason": finish, "generated_tokens": usage.output_tokens, "input_length": usage.input_tokens, "seed": None}


def _line(at: int, piece: str) -> dict[str, object]:
    return {"token": {"id": 1000 + at, "log_prob": -0.25, "text": piece}}


def _details(script: Script) -> dict[str, object]:
    finish = "length" if script.stop_reason == "max_tokens" else "eos_token"
    return {"finish_reason": finish, "generated_tokens": script.usage().output_tokens, "inputs": None}
