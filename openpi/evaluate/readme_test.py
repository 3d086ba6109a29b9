from openpi.evaluate import comparison, results
from openpi.testing import readme


def test_the_examples_run():
    compared = readme.run("openpi/evaluate/README.md", [comparison, results])["compared"]
    assert [(row["pairs"], row["first"], row["p"]) for row in compared["rows"]] == [(3, 1, 1.0)]
