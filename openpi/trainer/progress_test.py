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


def test_utilisation_where_the_best_is_known():
    stream = io.StringIO()
    with progress.Progress(0, 10, stream) as shown:
        time.sleep(0.1)
        shown.step_done(data_wait=0.0)
        rates = shown.report(0, {"loss": 1.0}, step_seconds_at_peak=0.05)
        assert "mfu" not in shown.report(1, {"loss": 1.0})
    assert rates["mfu"] == pytest.approx(0.05 * rates["steps_per_second"])
    assert 0.01 < rates["mfu"] <= 0.5
    assert f"MFU {rates['mfu']:.1%}, data wait" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3665, "1:01:05")])
def test_duration(seconds, text):
    assert progress.duration(seconds) == text
