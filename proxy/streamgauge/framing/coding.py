"""Decoder of ``Content-Encoding``: compressed bytes in any slicing become plain bytes, as soon as they can be known.

Knows: gzip, deflate (with zlib's head or bare), and br and zstd where their libraries are installed; how much may come out.
Must not know: what the bytes mean. Only the measuring side decodes; the application gets the compressed bytes as they came.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

from streamgauge.errors import Undecodable


def _installed(name: str) -> Any:
    """A library of the extra ``compression``, or ``None``: callers ask for br and zstd only where they have it, which may be elsewhere."""
    try:
        return import_module(name)
    except ImportError:
        return None


brotli = _installed("brotli")
zstd = _installed("backports.zstd")

PIECE = 64 * 1024
"""Plain bytes that are held at once; the decoders behind hold what they need of it."""

FREE = 1024 * 1024
RATIO = 64
"""Plain bytes that may come out: so many times what went in, and ``FREE`` besides. A stream flushed by the event shrinks to a tenth, a whole
body of JSON to a fifth; deflate's utmost, of bytes made for it, is 1:1032, and each read of such bytes would hold the event loop for long."""

MAX_ZSTD_WINDOW_LOG = 23
"""RFC 9659: a zstd stream in HTTP needs a window of at most 8 MB. The library alone would take 128 MB at a stranger's word."""

_DAMAGED = "content_encoding"
_BOMB = "decompression_bomb"


class _Engine(Protocol):
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Plain bytes in pieces of about ``PIECE``; raises the library's own error."""


class _Zlib:
    """gzip, also of several members; deflate in either form, which the first byte tells: zlib's head names method 8."""

    def __init__(self, wbits: int | None) -> None:
        self._wbits = wbits
        self._inflate: Any = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while True:
            if self._inflate is None:
                if not chunk:
                    return
                self._inflate = zlib.decompressobj(self._wbits or (zlib.MAX_WBITS if chunk[0] & 15 == 8 else -zlib.MAX_WBITS))
            plain = self._inflate.decompress(chunk, PIECE)
            if plain:
                yield plain
            if self._inflate.eof:
                chunk, self._inflate = self._inflate.unused_data, None
                continue
            chunk = self._inflate.unconsumed_tail
            if not chunk and len(plain) < PIECE:
                return


class _Brotli:
    def __init__(self) -> None:
        self._inflate = brotli.Decompressor()

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while True:
            plain = self._inflate.process(chunk, output_buffer_limit=PIECE)
            if not plain:
                return
            yield plain
            chunk = b""  # it may hold more of what it was given, whatever it says of taking more


class _Zstd:
    def __init__(self) -> None:
        self._inflate: Any = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while True:
            if self._inflate is None:
                if not chunk:
                    return
                self._inflate = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW_LOG})
            plain = self._inflate.decompress(chunk, PIECE)
            if plain:
                yield plain
            chunk = b""
            if self._inflate.eof:
                chunk, self._inflate = self._inflate.unused_data, None
            elif self._inflate.needs_input:
                return


_GZIP_WBITS = 16 + zlib.MAX_WBITS
_ERRORS: tuple[type[Exception], ...] = (
    zlib.error,
    *((brotli.error,) if brotli is not None else ()),
    *((zstd.ZstdError,) if zstd is not None else ()),
)
_ENGINES: dict[str, Callable[[], _Engine]] = {
    "gzip": lambda: _Zlib(_GZIP_WBITS),
    "x-gzip": lambda: _Zlib(_GZIP_WBITS),
    "deflate": lambda: _Zlib(None),
    **({"br": _Brotli} if brotli is not None else {}),
    **({"zstd": _Zstd} if zstd is not None else {}),
}


class ContentDecoder:
    """Turns the bytes of one compressed body into plain ones.

    Raises:
        Undecodable: ``content_encoding`` for damaged bytes, ``decompression_bomb`` when more comes out than honest bytes hold; to be given up then.
    """

    __slots__ = ("_engine", "_left")

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._left = FREE

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes; yield what they tell, in pieces of about ``PIECE`` bytes."""
        self._left += RATIO * len(chunk)
        try:
            for plain in self._engine.pieces(chunk):
                self._left -= len(plain)
                if self._left < 0:
                    raise Undecodable(_BOMB)
                yield plain
        except _ERRORS:
            raise Undecodable(_DAMAGED) from None


def is_plain(coding: str | None) -> bool:
    """Whether a ``Content-Encoding`` value, as it came, says that nothing was encoded."""
    return coding is None or coding.strip().lower() in ("", "identity")


def content_decoder(coding: str) -> ContentDecoder | None:
    """The decoder of a ``Content-Encoding`` value, as it came; ``None`` for one that is not known here, or several at once."""
    engine = _ENGINES.get(coding.strip().lower())
    return ContentDecoder(engine()) if engine is not None else None
