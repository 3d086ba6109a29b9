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


SERVING = {
    "machine": {"cores": 2},
    "one_client": {"overhead_ms": {"median": 0.625, "p99": 4.96}},
    "throughput": {"clients": 16, "no-op": {"median": 1234.4}, "mib_per_s": 531.0, "share_of_floor": 0.814},
    "batches": {"clients": 8, "measured_ratio": 1.254, "measured_size": 4, "eight_ratio": 0.9},
    "memory": {
        "requests": 100000,
        "growth": -0.012,
        "flood_clients": 200,
        "flood_seconds": 60.0,
        "flood_growth": 0.004,
    },
    "note": "Nothing else ran.",
}


TASKS = {
    "rows": [
        {"config": "aloha_pick_fast", "task": "pick", "episodes": 50, "succeeded": [0, 7]},
        {"config": "aloha_tasks", "task": "reach", "episodes": 100, "succeeded": list(range(93))},
    ],
    "note": "A busy machine.",
}


PLANS = {
    "usable": 0.9,
    "published_gb": {"inference": 8.0, "LoRA fine-tuning": 22.5, "full fine-tuning": 70.0},
    "served": {"pi0_droid": 6.44},
    "measured": [{"ratio": 0.92}, {"ratio": 1.01}],
    "planned": [
        {"config": "a", "kind": "full fine-tuning", "batch_size": 32, "devices": 8, "fsdp_devices": 8, "trained": 1.0, "frozen": 0.0,
         "optimizer": 2.0, "average": 1.0, "gradients": 1.0, "activations": 0.54, "peak": 5.6, "largest_batch": 0, "device_gib": 4},
    ],
}  # fmt: skip


@pytest.mark.parametrize("table", readme.TABLES, ids=lambda table: table.name)
def test_the_readme_follows_the_results(table):
    is_, should_be = readme.up_to_date(table)
    assert is_ == should_be


def test_a_row_holds_a_way_to_read_and_its_ratio():
    text = readme.data_loading_table(LOADING)
    assert '| "frames" | 9,000 | 150.0 |' in text and "| lerobot 0.4.4, its best setting | 60 | 1 |" in text
    assert "take 307 and 10 KiB a row" in text and "waits 3.1 % of the time" in text


def test_a_row_holds_what_a_server_adds_and_carries():
    lines = readme.serving_table(SERVING).splitlines()
    assert "| added to the model's time, one client, median | 0.62 ms |" in lines
    assert "| 16 clients, a policy that does nothing | 1,234 requests/s, 531 MiB/s |" in lines
    assert "| of what the websocket library carries without looking at it | 81 % |" in lines
    assert "| 8 clients of the small model, batches as far as they gain (here 4) | 1.25 x one at a time |" in lines
    assert "| memory over 100,000 requests | -1.2 % |" in lines
    assert lines[-1] == "Nothing else ran."
    assert readme.serving_table({**SERVING, "note": None}).endswith("| +0.4 % |")


def test_a_cell_holds_a_rate_or_says_that_it_was_not_run():
    lines = readme.aloha_tasks_table(TASKS).splitlines()
    assert "| reach | not run | not run | not run | 93 % of 100 | not run | not run |" in lines
    assert "| pick | not run | not run | 4 % of 50 | not run | not run | not run |" in lines
    assert "| transfer | not run | not run | not run | not run | not run | not run |" in lines
    assert lines[-1] == "A busy machine."


def test_a_row_holds_a_plan_and_what_is_published():
    lines = readme.memory_plan_table(PLANS).splitlines()
    assert "| `a` fsdp_devices=8 | 32, 8 | 4.0 | 1.0 | 0.5 | 5.6 | none on 4 GiB | > 70 GB |" in lines
    assert "Serving takes 6.4 (`pi0_droid`); published: more than 8 GB." in lines[-1]
    assert "2 trainings of smaller networks really took on a CPU, plans for it were -8 to +1 % off" in lines[-1]


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
