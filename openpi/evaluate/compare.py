"""Compares two policies that were given the same episodes: is one better, or was it luck?

    bazel run //openpi/evaluate:compare -- first/results.json second/results.json

For each task: both success rates, their difference with its 95 % interval, and McNemar's exact test, which looks at the
episodes that one policy did and the other did not. Other programs' results will do, see openpi/evaluate/results.py.
"""

import pathlib

from absl import flags

from openpi.cli import program
from openpi.evaluate import comparison, report, results

_FIRST = flags.DEFINE_string("first_policy", None, "Which row of the first file; its first one if not given.")
_SECOND = flags.DEFINE_string("second_policy", None, "Which row of the second file; its first one if not given.")
_JSON = flags.DEFINE_string("json", None, "File for the figures.")


def main(paths: list[str]) -> None:
    """Compares and prints."""
    if len(paths) != 2:
        raise ValueError(f"give two results.json of //openpi/evaluate, not {len(paths)}")
    first, second = (results.read(path) for path in paths)
    compared = comparison.between(first, second, first_policy=_FIRST.value, second_policy=_SECOND.value)
    print(comparison.table(compared))
    if _JSON.value:
        report.write_json(pathlib.Path(_JSON.value), compared)


if __name__ == "__main__":
    program.run(main, name="compare", positional="RESULTS...")
