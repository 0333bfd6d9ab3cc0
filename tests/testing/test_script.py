from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.testing import Frame, Script


@given(st.text(max_size=60), st.integers(1, 5))
def test_the_words_of_a_text_are_the_text(text: str, size: int) -> None:
    assert "".join(Script(text=text, tokens_per_frame=size).words()) == text


def test_every_word_counts_as_one_token_however_many_share_a_frame() -> None:
    script = Script(text="one two three four five", reasoning="well then", tokens_per_frame=3)
    assert len(script.words()) == 2
    assert script.usage().output_tokens == 7


def test_output_tokens_alone_make_that_many_words() -> None:
    script = Script(output_tokens=57)
    assert len(script.words()) == 57
    assert script.usage().output_tokens == 57


def test_stated_counts_win_over_the_words() -> None:
    usage = Script(text="a b", input_tokens=90, output_tokens=40, cache_read_tokens=30, reasoning_tokens=5).usage()
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (90, 40, 30, 5)


def test_outputs_come_one_gap_after_the_other_from_the_first_on() -> None:
    script = Script(ttft=0.5, gap=0.1)
    assert [script.output_at(index) for index in range(3)] == pytest.approx([0.5, 0.6, 0.7])


def test_gaps_repeat_from_their_beginning() -> None:
    script = Script(ttft=0.0, gaps=(0.1, 0.4))
    assert [script.output_at(index) for index in range(4)] == pytest.approx([0.0, 0.1, 0.5, 0.6])


def test_no_output_comes_before_head_and_first_frame() -> None:
    assert Script(ttft=0.1, start_after=0.3).output_at(0) == 0.3
    assert Script(ttft=0.1, head_after=0.4).output_at(0) == 0.4


def test_a_stall_delays_all_that_follows_it() -> None:
    script = Script(ttft=0.0, gap=0.1, stall_after=2, stall=1.0)
    assert [script.output_at(index) for index in range(4)] == pytest.approx([0.0, 0.1, 1.2, 1.3])


def test_slower_multiplies_every_moment_and_nothing_else() -> None:
    script = Script(head_after=0.1, start_after=0.2, ttft=0.3, gap=0.01, gaps=(0.1, 0.2), end_after=0.5, input_tokens=7)
    slow = script.slower(2)
    assert (slow.head_after, slow.start_after, slow.ttft, slow.gap, slow.gaps, slow.end_after) == (0.2, 0.4, 0.6, 0.02, (0.2, 0.4), 1.0)
    assert replace(slow, head_after=0.1, start_after=0.2, ttft=0.3, gap=0.01, gaps=(0.1, 0.2), end_after=0.5) == script


@pytest.mark.parametrize(("kinds", "output"), [(("start",), False), (("empty",), False), (("block", "tool"), True), ((), False)])
def test_only_generated_output_makes_a_frame_an_output(kinds: tuple[str, ...], output: bool) -> None:
    assert Frame(b"", kinds).is_output is output
