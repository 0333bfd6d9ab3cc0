"""What a scripted upstream shall answer, and when: one frozen value with a sensible default for every knob.

Knows: content, counts, moments, cutting and faults of one answer, without any protocol.
Must not know: sockets, clocks, wire formats.
All moments are seconds since the request was received whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from streamgauge.records import Usage

Fault = Literal[
    "no_answer",
    "close_before_head",
    "reset_before_head",
    "exception",
    "error_frame",
    "error_line",
    "cut_fin",
    "cut_reset",
    "cut_clean",
    "early_fin",
    "early_reset",
    "early_end",
    "hang",
    "bad_crc",
    "bad_prelude",
    "garbage",
]
"""What goes wrong, after ``fault_after`` outputs (the ``*_head`` ones and ``no_answer``: before the first byte).

``no_answer`` reads the request and keeps silent; ``exception`` is the protocol's own error inside the stream, ``error_frame`` an event stream's
``:message-type: error``, ``error_line`` an LMI container's last line with ``finish_reason: error``; ``cut_*`` stops in the middle of a frame, ``early_*``
on a frame border without the end events; ``*_fin`` and ``*_reset`` say how the connection goes, ``*_clean`` and ``early_end`` end the body properly;
``hang`` keeps the connection open and silent; ``bad_crc`` damages a frame's checksum, ``bad_prelude`` its length, ``garbage`` puts bytes of no meaning.
"""

OUTPUT_KINDS = frozenset({"output", "reasoning", "tool"})
"""The kinds of frame that carry generated output; the first of them is the first token."""

_FILLER_TEXT = "The river rose in the night and by morning the gauge showed two metres more than the day before, which nobody had seen."
_FILLER = tuple(_FILLER_TEXT.split())


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes that leave together, and the kinds of event they complete: ``start``, ``empty``, ``output``, ``reasoning``, ``tool``, ``block``,
    ``ping``, ``end``, ``metadata``, ``fault`` or ``body`` (a whole unary answer); none when they complete nothing.
    """

    data: bytes
    kinds: tuple[str, ...] = ()

    @property
    def is_output(self) -> bool:
        """Whether generated output is completed by these bytes."""
        return not OUTPUT_KINDS.isdisjoint(self.kinds)


@dataclass(frozen=True, kw_only=True)
class Script:
    """One answer. Defaults: four words, 20 ms to the first of them, 5 ms between them, no fault.

    Content: ``text`` (cut into words) or ``pieces`` (cut as given) or, with neither, ``output_tokens`` words of filler. ``reasoning`` comes before,
    ``tool`` (name, JSON argument) after it. ``tokens_per_frame`` words share one delta. ``empty_delta`` sends a delta without text first.
    ``guardrail_intervened`` adds what Bedrock adds to an InvokeModel answer then (on Converse it is a ``stop_reason``). ``container`` is the server
    behind a SageMaker endpoint; without it the request's form tells between LMI and vLLM.

    Counts: ``input_tokens`` is all input, cached tokens included (each shape converts); ``output_tokens`` defaults to the number of words.
    ``second_output_tokens`` makes Bedrock's own invocation metrics disagree. ``usage_reported=False`` leaves every count out.

    Moments: ``head_after`` (None: at once for streams, with the body otherwise), ``start_after`` (first frame), ``ttft`` (first output), then one output
    per ``gap``, or per element of ``gaps`` (repeated from its beginning), then ``end_after`` more to the end events. A unary body takes as long as its stream.

    Cutting: ``frames_per_write`` whole frames in one HTTP chunk; ``split`` HTTP chunks per frame; ``tcp_split`` writes per HTTP chunk, ``split_gap`` seconds
    apart; ``part_shift`` bytes of each inner event travel in the next SageMaker part; ``gzip`` compresses the body.

    HTTP: ``status`` other than 200 answers the protocol's error body, and ``error_code`` alone does so under 200; ``error_code``, ``error_message`` and ``headers`` go with it. ``close`` closes
    the connection afterwards, ``close_delimited`` frames the body by closing, ``trailers`` follow the last chunk, ``interim`` are 1xx heads before.
    ``raw`` replaces the whole answer by these bytes, written at ``head_after`` (closed afterwards if ``close``).
    """

    text: str | None = None
    pieces: tuple[str, ...] | None = None
    reasoning: str = ""
    tool: tuple[str, str] | None = None
    tokens_per_frame: int = 1
    empty_delta: bool = False
    pings: bool = False
    stop_reason: str = "end_turn"
    guardrail_intervened: bool = False
    model: str | None = None

    input_tokens: int = 12
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int | None = None
    second_output_tokens: int | None = None
    usage_reported: bool = True
    service_tier: str | None = None
    latency_mode: str | None = None

    head_after: float | None = None
    start_after: float = 0.0
    ttft: float = 0.02
    gap: float = 0.005
    gaps: tuple[float, ...] = ()
    end_after: float = 0.0

    frames_per_write: int = 1
    split: int = 1
    tcp_split: int = 1
    split_gap: float = 0.0
    part_shift: int = 0
    gzip: bool = False

    status: int = 200
    error_code: str | None = None
    error_message: str = "scripted"
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    close_delimited: bool = False
    trailers: tuple[tuple[str, str], ...] = ()
    interim: tuple[int, ...] = ()
    raw: bytes | None = field(default=None, repr=False)

    fault: Fault | None = None
    fault_after: int = 2
    exception: str | None = None
    container: Literal["vllm", "lmi", "tgi", "outputs"] | None = None
    stall_after: int = 0
    stall: float = 0.0

    def words(self) -> tuple[str, ...]:
        """The visible text as the deltas carry it."""
        if self.pieces is not None:
            return self.pieces
        if self.text is not None:
            return _grouped(_words(self.text), self.tokens_per_frame)
        return _grouped(filler(4 if self.output_tokens is None else self.output_tokens), self.tokens_per_frame)

    def thoughts(self) -> tuple[str, ...]:
        """The reasoning text as the deltas carry it; empty without reasoning."""
        return _grouped(_words(self.reasoning), self.tokens_per_frame)

    def arguments(self) -> tuple[str, ...]:
        """The tool call's JSON argument in fragments of at most eight characters; empty without a tool."""
        text = self.tool[1] if self.tool else ""
        return tuple(text[at : at + 8] for at in range(0, len(text), 8))

    def outputs(self) -> int:
        """How many frames with output a stream of this answer has; a tool call's name is one of them."""
        return len(self.words()) + len(self.thoughts()) + len(self.arguments()) + (self.tool is not None)

    def usage(self) -> Usage:
        """The counts this answer reports, in the project's one meaning (all input; reasoning inside the output)."""
        said = self.output_tokens
        if said is None:
            said = self._tokens()
        return Usage(
            self.input_tokens, said, self.cache_read_tokens, self.cache_write_tokens, self.cache_write_1h_tokens, self.reasoning_tokens
        )

    def _tokens(self) -> int:
        visible = len(self.pieces) if self.pieces is not None else 4 if self.text is None else len(_words(self.text))
        return visible + len(_words(self.reasoning)) + len(self.arguments())

    def output_at(self, index: int) -> float:
        """When output ``index`` (from 0) is due."""
        if self.gaps:
            rounds, rest = divmod(index, len(self.gaps))
            passed = rounds * sum(self.gaps) + sum(self.gaps[:rest])
        else:
            passed = index * self.gap
        stalled = self.stall if self.stall and index >= self.stall_after else 0.0
        return max(self.ttft, self.start_after, self.head_after or 0.0) + passed + stalled

    def ends_at(self, outputs: int) -> float:
        """When an answer of that many outputs is over."""
        return self.output_at(max(0, outputs - 1)) + self.end_after

    def slower(self, factor: float) -> Script:
        """The same answer with every moment and gap multiplied."""
        head = None if self.head_after is None else self.head_after * factor
        return replace(
            self,
            head_after=head,
            start_after=self.start_after * factor,
            ttft=self.ttft * factor,
            gap=self.gap * factor,
            gaps=tuple(gap * factor for gap in self.gaps),
            end_after=self.end_after * factor,
        )


def filler(count: int) -> tuple[str, ...]:
    """``count`` words of harmless text, each with its leading space except the first."""
    words = (_FILLER[at % len(_FILLER)] for at in range(count))
    return tuple(word if at == 0 else " " + word for at, word in enumerate(words))


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+\s*$|\s*\S+|\s+", text))


def _grouped(words: tuple[str, ...], size: int) -> tuple[str, ...]:
    if size <= 1:
        return words
    return tuple("".join(words[at : at + size]) for at in range(0, len(words), size))
