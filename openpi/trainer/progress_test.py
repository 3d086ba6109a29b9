import io
import time

import pytest

from openpi.trainer import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_and_lines():
    stream = Terminal()
    with progress.Progress(10, 20, stream) as shown:
        for _ in range(10, 15):
            shown.step_done(data_wait=0.0)
        rates = shown.report(14, {"loss": 0.25})
        shown.step_done(data_wait=0.0)
    text = stream.getvalue()
    assert "Step 14: loss=0.2500" in text
    assert "train:" in text
    assert "loss=0.2500, data wait 0%" in text
    assert "/20" in text
    assert rates["steps_per_second"] > 0


def test_elsewhere_only_lines_with_the_share_of_data_wait():
    stream = io.StringIO()
    with progress.Progress(0, 10, stream) as shown:
        time.sleep(0.2)
        shown.step_done(data_wait=0.1)
        rates = shown.report(0, {"loss": 1.0, "grad_norm": 2.0})
        assert 0.2 < rates["data_wait"] <= 0.5
        assert rates["steps_per_second"] < 5
        time.sleep(0.05)
        shown.step_done(data_wait=0.0)
        assert shown.report(1, {"loss": 1.0})["data_wait"] == 0.0
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Step 0: loss=1.0000, grad_norm=2.0000 (")
    assert lines[0].endswith("left)")


def test_what_the_facts_tell():
    stream = io.StringIO()
    facts = progress.Facts(batch_size=32, learning_rate=lambda step: 1e-5 * step, step_seconds_at_peak=0.05)
    with progress.Progress(0, 10, stream, facts) as shown:
        time.sleep(0.1)
        shown.step_done(data_wait=0.0)
        rates = shown.report(3, {"loss": 1.0})
    assert rates["mfu"] == pytest.approx(0.05 * rates["steps_per_second"])
    assert 0.01 < rates["mfu"] <= 0.5
    assert rates["samples_per_second"] == pytest.approx(32 * rates["steps_per_second"])
    assert rates["learning_rate"] == pytest.approx(3e-5)
    assert 0.01 < rates["memory_gib"] < 100
    line = stream.getvalue()
    assert line.startswith("Step 3: loss=1.0000, learning_rate=3e-05 (")
    for text in (f"{rates['samples_per_second']:.3g} samples/s, MFU {rates['mfu']:.1%}, data wait", "GiB, 0:0"):
        assert text in line


def test_without_facts_there_are_no_figures_of_them():
    with progress.Progress(0, 10, io.StringIO()) as shown:
        shown.step_done(data_wait=0.0)
        assert set(shown.report(0, {"loss": 1.0})) == {"steps_per_second", "data_wait", "memory_gib"}


def test_what_is_apart_does_not_count():
    with progress.Progress(0, 10, io.StringIO()) as shown:
        time.sleep(0.05)
        with shown.apart():
            time.sleep(0.5)
        shown.step_done(data_wait=0.0)
        assert shown.report(0, {"loss": 1.0})["steps_per_second"] > 1 / 0.3


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3665, "1:01:05")])
def test_duration(seconds, text):
    assert progress.duration(seconds) == text
