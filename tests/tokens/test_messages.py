"""Messages survive the pipe in any slicing, and what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.tokens.messages import MAX_MESSAGE, Counted, Job, Messages, packed

jobs = st.builds(Job, st.integers(0, 2**31), st.none() | st.binary(max_size=300), st.none() | st.binary(max_size=300), st.booleans())


@given(st.lists(jobs, max_size=5), st.integers(1, 50))
def test_messages_come_out_as_they_went_in_whatever_the_slicing(sent: list[Job], size: int) -> None:
    data, messages = b"".join(map(packed, sent)), Messages(Job)
    got = [job for at in range(0, len(data), size) for job in messages.feed(data[at : at + size])]
    assert got == sent


def test_a_length_beyond_any_message_is_refused_before_anything_is_held() -> None:
    with pytest.raises(ValueError, match="longer"):
        list(Messages(Job).feed((MAX_MESSAGE + 1).to_bytes(4, "big")))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgspec's own words
        list(Messages(Counted).feed(b"\0\0\0\x01\xc1"))
