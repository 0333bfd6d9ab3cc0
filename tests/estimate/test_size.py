"""How much text a body holds, told without reading it."""

from __future__ import annotations

import base64
import json
import random

import pytest

from streamgauge.estimate.size import WINDOW, text_bytes

PROSE = "The provider says when it began, and nobody asks it again; so it goes on. "
IMAGE = base64.b64encode(random.Random(5).randbytes(300_000)).decode()


def test_prose_is_text_in_any_script() -> None:
    for text in (PROSE * 10_000, "日本語のテキスト。" * 10_000, "\u0438 \u0442\u0430\u043a" * 10_000):
        body = json.dumps({"prompt": text}, ensure_ascii=False).encode()
        assert text_bytes(body) == len(body)


def test_an_image_is_none() -> None:
    body = json.dumps({"bytes": IMAGE}).encode()
    assert text_bytes(body) < len(body) * 0.05


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_body_of_both_is_told_to_within_a_tenth(share: float) -> None:
    words = PROSE * int(len(IMAGE) * share / (1 - share) / len(PROSE))
    body = json.dumps({"messages": [words, IMAGE]}).encode()
    assert text_bytes(body) == pytest.approx(len(words), abs=len(body) * 0.1)


@pytest.mark.parametrize("size", [0, 1, WINDOW, WINDOW + 1, WINDOW * 3])
def test_a_small_body_is_no_special_case(size: int) -> None:
    assert text_bytes(b"{}" + b" " * (size - 2) if size >= 2 else b"{" * size) == size
