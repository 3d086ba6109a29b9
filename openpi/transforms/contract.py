"""What every transform keeps to, checked on a sample. For tests."""

import copy
import pickle
from collections.abc import Sequence

import numpy as np

from openpi.transforms import golden_cases, transform, tree_paths


def check(subject: transform.Transform, sample: dict) -> dict:
    """Applies a transform and returns its result.

    Raises:
      AssertionError: it changed the sample, gives another result the second time, or another in another process.
      ValueError: it wrote into an array of the sample.
    """
    given = copy.deepcopy(sample)
    for leaf in tree_paths.flatten_dict(given).values():
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    result = subject(given)
    golden_cases.assert_equal(given, sample)
    golden_cases.assert_equal(subject(given), result)
    golden_cases.assert_equal(pickle.loads(pickle.dumps(subject))(given), result)
    return result


def check_batch(subject: transform.Transform, rows: Sequence[dict]) -> None:
    """A batch of rows gives what the rows give, stacked; for transforms that take leading axes.

    Raises:
      AssertionError: it does not, or `check` fails.
    """
    single = [check(subject, row) for row in rows]
    batch = check(subject, _stack(rows))
    golden_cases.assert_equal(batch, _stack(single))


def _stack(rows: Sequence[dict]) -> dict:
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
