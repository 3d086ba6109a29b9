import threading

import numpy as np
import pytest

from openpi.data import row_blocks


@pytest.mark.parametrize(("rows", "block"), [(1, 5), (100, 7), (64, 64), (65, 64)])
def test_every_row_comes_once(rows, block):
    seen = np.zeros(rows, int)

    def work(start, stop, progress):
        assert stop - start <= block
        for some in progress.steps(start, stop):
            seen[some] += 1

    row_blocks.run(rows, block, work, "counting")
    assert np.all(seen == 1)


def test_one_error_stops_the_others_and_is_the_one_raised():
    waits, steps = threading.Event(), []

    def work(start, stop, progress):
        if start == 0:
            waits.set()
            raise ValueError("block 0 is bad")
        waits.wait(10)
        for some in progress.steps(start, stop):
            steps.append(some)
            progress.stop.wait(10)

    with pytest.raises(ValueError, match="block 0 is bad"):
        row_blocks.run(100_000, 10_000, work, "failing")
    assert len(steps) <= 2  # one a thread that had begun
