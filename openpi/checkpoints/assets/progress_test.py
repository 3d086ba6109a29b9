import io
import logging
import sys

import pytest

from openpi.checkpoints.assets import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.00B"), (100, "100B"), (2048, "2.00kiB"), (12 << 30, "12.0GiB"), (1 << 60, "1.00EiB")]
)
def test_size(count, text):
    assert progress.size(count) == text


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.Progress("gs://b/weights", total=4 << 20, initial=1 << 20) as bar:
        bar.advance(2 << 20)
        bar.advance(-(1 << 20))
        bar.advance(2 << 20)
    shown = sys.stderr.getvalue()
    assert "weights: 100%" in shown
    assert "4.00M/4.00M" in shown


def test_two_lines_elsewhere(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO, "openpi"):
        with progress.Progress("gs://b/weights", total=2048, initial=1024) as bar:
            bar.advance(1024)
        with pytest.raises(ValueError), progress.Progress("gs://b/other", total=0, initial=0):
            raise ValueError
    assert sys.stderr.getvalue() == ""
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "fetching gs://b/weights: 2.00kiB, 1.00kiB of them here already"
    assert lines[1].startswith("fetched gs://b/weights: 1.00kiB in ")
    assert lines[2] == "fetching gs://b/other"
    assert lines[3].startswith("stopped fetching gs://b/other: ")
