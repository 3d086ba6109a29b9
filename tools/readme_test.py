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


LOADING = {
    "shapes": {"images": [3, 480, 640, 3], "model_images": [3, 224, 224, 3], "actions": [50, 14]},
    "machine": {"cores": 2},
    "frames": 1000,
    "rows": [
        {"way": "frames", "rows_per_s": {"median": 9000.4}, "times_lerobot": 150.04},
        {"way": "none", "rows_per_s": {"median": 90.0}, "times_lerobot": 1.5},
    ],
    "lerobot": {"best": {"versions": {"lerobot": "0.4.4"}}, "rows_per_s": {"median": 60.0}},
    "built": {"frames": {"rows_per_s": 120.0, "mib": 300.0}, "video": {"rows_per_s": 180.0, "mib": 10.0}},
    "training": {"steps_per_s": 20.0, "data_wait": 0.031},
}


@pytest.mark.parametrize("table", readme.TABLES, ids=lambda table: table.name)
def test_the_readme_follows_the_results(table):
    is_, should_be = readme.up_to_date(table)
    assert is_ == should_be


def test_a_row_holds_a_way_to_read_and_its_ratio():
    text = readme.data_loading_table(LOADING)
    assert '| "frames" | 9,000 | 150.0 |' in text and "| lerobot 0.4.4, its best setting | 60 | 1 |" in text
    assert "take 307 and 10 KiB a row" in text and "waits 3.1 % of the time" in text


def test_a_row_holds_each_seed_and_the_medians():
    lines = readme.aloha_reach_table(RESULT).splitlines()
    assert "| trained | 90 % | 80 % | 85 % | 60 % |" in lines
    assert "| untrained | 0 % | 1 % | 0 % | 0 % |" in lines
    assert lines[-1] == "The whole job took 1.5 / 2.0 minutes and 1.5 GiB at the most. On 2 cores."
    assert all(line.count("|") == lines[2].count("|") for line in lines if line.startswith("|"))


def test_the_table_replaces_only_its_own_place():
    before = "# a\n<!-- aloha-reach-table: tools/bazel run //tools:readme -->\nold\n<!-- end -->\nb\n"
    after = readme.render(before, readme.TABLES[0], RESULT)
    assert after.startswith("# a\n")
    assert after.endswith("<!-- end -->\nb\n")
    assert "old" not in after
    assert readme.render(after, readme.TABLES[0], RESULT) == after


def test_a_readme_without_the_place_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        readme.render("# a\n", readme.TABLES[0], RESULT)
