"""The planner as a user starts it, for a model of some thousand parameters; one that fits is in openpi/docs."""

import re

from openpi.testing import program
from openpi.trainer import tiny_dataset


def plan(*flags, cwd):
    """(exit code, what it prints)."""
    done = program.run("openpi/train:plan", *tiny_dataset.FLAGS, *flags, cwd=cwd)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def test_a_training_that_does_not_fit_is_told_what_to_change(tmp_path):
    code, out = plan("--devices=2", "--config.batch_size=64", "--device_memory_gib=0.005", cwd=tmp_path)
    assert code == 1, out
    assert "batch 64 on 2 devices" in out
    assert "it does NOT fit in the 0.0045 GiB that can be used of 0.005" in out
    assert "published" not in out  # those figures are of another size
    assert list(tmp_path.iterdir()) == []  # nothing is read or written
    largest = int(re.search(r"the largest batch that fits: (\d+)", out)[1])
    assert 0 < largest < 64 and largest % 2 == 0
    rows = re.findall(r"^ +(\S+)  (fits|does not fit) +(--config\..*)", out, re.MULTILINE)
    assert "--config.ema_decay=0" in rows[0][2] and rows[-1][2].count("--config.") == len(rows) - 1
    for peak, verdict, _ in rows:
        assert (float(peak) <= 0.0045) == (verdict == "fits")
    assert "--devices=N --config.fsdp_devices=N" in out


def test_a_plan_of_nothing_is_refused(tmp_path):
    done = program.run("openpi/train:plan", cwd=tmp_path)
    assert done.returncode == 2
    assert "what to plan? give --config=" in done.stderr
