"""From the profilers' raw output to microseconds by place and function."""

from __future__ import annotations

from tests.bench.profiling import by_function, place_of, read_samples, read_stacks

RAW = [
    "main (app.py:10);walk (relay.py:20);feed (decode.py:5) 30",
    "main (app.py:10);walk (relay.py:25);feed (decode.py:9) 10",
    "main (app.py:11);walk (relay.py:20) 60",
    "main (app.py:11);walk (relay.py:20);walk (relay.py:20) 1",
]


def test_lines_of_one_function_are_put_together() -> None:
    assert read_stacks(RAW)["main (app.py)", "walk (relay.py)", "feed (decode.py)"] == 40


def test_a_function_is_charged_once_for_a_stack_it_is_in_twice() -> None:
    own, below = by_function(read_stacks(RAW))
    assert own == {"feed (decode.py)": 40, "walk (relay.py)": 61}
    assert below["walk (relay.py)"] == below["main (app.py)"] == 101


def test_shared_objects_get_the_name_of_what_they_are_to_us() -> None:
    assert place_of("[kernel.kallsyms]") == "kernel"
    assert place_of("libpython3.11.so.1.0") == place_of("python3.11") == "Python interpreter"
    assert place_of("loop.cpython-311-x86_64-linux-gnu.so") == "uvloop"
    assert place_of("something.so") == "something.so"


def test_a_sample_of_perf_is_a_thread_a_place_and_a_symbol() -> None:
    lines = [
        "16647  ffffffff821eb5f6 copy_mc_enhanced_fast_string ([kernel.kallsyms])",
        "16649      7f8f1e4fea9b _PyEval_EvalFrameDefault+0x12 (/root/lib/libpython3.11.so.1.0)",
        "",
    ]
    assert read_samples(lines) == [
        (16647, "kernel", "copy_mc_enhanced_fast_string"),
        (16649, "Python interpreter", "_PyEval_EvalFrameDefault"),
    ]
