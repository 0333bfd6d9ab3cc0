"""The shipped encoding is tiktoken's own, and counts any text as text."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import tiktoken

from streamgauge.tokens import encoding
from streamgauge.tokens.encoding import NAME, PIECE, SHA256, count, load

PAIRS = Path(__file__).parents[1] / "data" / "token_pairs" / "pairs.jsonl"
DATA = Path(encoding.__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def shipped() -> tiktoken.Encoding:
    return load()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tiktoken.Encoding:
    """tiktoken's own definition, with the shipped vocabulary in the place where it looks before it would fetch it."""
    cache = tmp_path_factory.mktemp("cache")
    url = f"https://openaipublic.blob.core.windows.net/encodings/{NAME}.tiktoken"
    (cache / hashlib.sha1(url.encode()).hexdigest()).write_bytes((DATA / f"{NAME}.tiktoken").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        return tiktoken.get_encoding(NAME)


def test_the_vocabulary_is_the_one_whose_hash_is_written_down() -> None:
    assert hashlib.sha256((DATA / f"{NAME}.tiktoken").read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize(
    "text",
    [
        *(json.loads(line)["text"] for line in PAIRS.read_text(encoding="utf-8").splitlines()[:12]),
        "  \n\n\t x  ",
        "it's 1234567 o'clock, ISN'T it?\r\n",
        "日本語のテキスト、العربية, emoji 👩‍👩‍👧 é e\u0301",
    ],
)
def test_texts_are_cut_as_tiktoken_cuts_them(shipped: tiktoken.Encoding, original: tiktoken.Encoding, text: str) -> None:
    assert shipped.encode_ordinary(text) == original.encode_ordinary(text)


def test_what_looks_like_a_special_token_is_text(shipped: tiktoken.Encoding) -> None:
    assert count(shipped, ["<|endoftext|>"]) > 1


def test_a_lone_surrogate_is_counted(shipped: tiktoken.Encoding) -> None:
    assert count(shipped, ["a\ud800b"]) >= 2


def test_several_texts_are_counted_apart(shipped: tiktoken.Encoding) -> None:
    assert count(shipped, ["hello", "", " world"]) == 2
    assert count(shipped, []) == 0


@pytest.mark.parametrize("text", ["a" * 300_000, " " * 300_000, "\n" * 300_000, "日" * 100_000, "0123456789abcdef" * 20_000])
def test_text_without_a_words_end_takes_no_more_than_linear_time(shipped: tiktoken.Encoding, text: str) -> None:
    whole, piece = count(shipped, [text]), count(shipped, [text[:PIECE]])
    assert whole == pytest.approx(piece * len(text) / PIECE, rel=0.05)
