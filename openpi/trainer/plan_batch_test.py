from hypothesis import example, given
from hypothesis import strategies as st

from openpi.trainer import plan_batch

_LINES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), min_size=1, max_size=4)


def search(lines, limit, step, first):
    """(largest batch, how many batches were asked for) where the need is the most of some lines."""
    asked = []

    def need(batch):
        assert batch > 0 and batch % step == 0
        assert batch not in asked
        asked.append(batch)
        return max(start + rise * batch for start, rise in lines)

    return plan_batch.largest(need, limit, step=step, first=first * step), asked


@given(_LINES, st.integers(0, 10**7), st.integers(1, 64), st.integers(1, 40))
@example([(0, 1)], 0, 1, 1)
@example([(0, 1)], 10**6, 1, 1)
def test_finds_the_largest_and_has_tried_it(lines, limit, step, first):
    found, asked = search(lines, limit, step, first)
    need = lambda batch: max(start + rise * batch for start, rise in lines)
    assert found == 0 or (found in asked and need(found) <= limit)
    exact = max(min((limit - start) // rise for start, rise in lines) // step * step, 0)
    if len(asked) < 12:
        assert found == exact
    assert found <= exact


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(1, 16), st.integers(1, 16), st.floats(1.0, 8.0))
def test_of_one_line_three_tries_tell(start, rise, step, first, times):
    found, asked = search([(start, rise)], int(start + rise * first * step * times), step, first)
    assert found >= first * step
    assert len(asked) <= 3


def test_one_that_never_grows_ends():
    found, asked = search([(5, 0)], 10, 1, 4)
    assert found == max(asked)


def test_nothing_fits():
    assert search([(100, 1)], 50, 8, 16)[0] == 0
