import json
import pathlib

import numpy as np
import pytest

from openpi.trainer import schedule

TESTDATA = pathlib.Path(__file__).parent / "testdata" / "optim"
KINDS = {"CosineDecaySchedule": schedule.cosine, "RsqrtDecaySchedule": schedule.inverse_sqrt}
CASES = json.loads((TESTDATA / "index.json").read_text())["schedules"]


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    with np.load(TESTDATA / "schedules.npz", allow_pickle=False) as arrays:
        steps, want = arrays["steps"], arrays[case]
    settings = dict(CASES[case])
    rate = KINDS[settings.pop("kind")](**settings)
    got = np.array([rate(step) for step in steps])
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-8)


def test_no_steps_to_decay_in():
    with pytest.raises(ValueError, match="decay_steps=10 .* config.lr_schedule.warmup_steps=10"):
        schedule.cosine(warmup_steps=10, peak_lr=1e-3, decay_steps=10, decay_lr=0.0)
