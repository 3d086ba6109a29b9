"""README.md says what was measured. To mend: tools/bazel run //tools:readme."""

import pytest

from tools import readme


def _success(tolerance, rates, median):
    return {"tolerance": tolerance, "rates": rates, "median": median}


RESULT = {
    "conditions": {"episodes": 100, "replan_steps": 10},
    "rows": [
        {"policy": "trained", "success": [_success(0.02, [0.5, 0.7], 0.6), _success(0.03, [0.9, 0.8], 0.85)]},
        {"policy": "untrained", "success": [_success(0.02, [0.0, 0.0], 0.0), _success(0.03, [0.0, 0.01], 0.0)]},
    ],
    "job_seconds": [90.0, 120.0],
    "peak_memory_mib": [1024.0, 1536.0],
    "note": "On 2 cores.",
}


def test_the_readme_follows_the_results():
    is_, should_be = readme.up_to_date()
    assert is_ == should_be


def test_a_row_holds_each_seed_and_the_medians():
    lines = readme.aloha_reach_table(RESULT).splitlines()
    assert "| trained | 90 % | 80 % | 85 % | 60 % |" in lines
    assert "| untrained | 0 % | 1 % | 0 % | 0 % |" in lines
    assert lines[-1] == "The whole job took 1.5 / 2.0 minutes and 1.5 GiB at the most. On 2 cores."
    assert all(line.count("|") == lines[2].count("|") for line in lines if line.startswith("|"))


def test_the_table_replaces_only_its_own_place():
    before = "# a\n<!-- aloha-reach-table: tools/bazel run //tools:readme -->\nold\n<!-- end -->\nb\n"
    after = readme.render(before, RESULT)
    assert after.startswith("# a\n")
    assert after.endswith("<!-- end -->\nb\n")
    assert "old" not in after
    assert readme.render(after, RESULT) == after


def test_a_readme_without_the_place_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        readme.render("# a\n", RESULT)
