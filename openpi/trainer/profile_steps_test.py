import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from openpi.trainer import profile_steps


@jax.jit
def step_fn(state, batch):
    return state + jnp.tanh(batch @ batch).sum(), {"loss": state}


def profiled(directory, window, *, start, count):
    """The final state after some steps, and the numbers of the steps in the profile."""
    state, batch = jnp.float32(0), jnp.ones((64, 64))
    with profile_steps.ProfiledStep(step_fn, start, window, directory) as step:
        for _ in range(count):
            state, metrics = step(state, batch)
    assert set(metrics) == {"loss"}
    traces = list(directory.glob("profile/plugins/profile/*/*.trace.json.gz"))
    if not traces:
        return state, []
    (trace,) = traces
    assert [path.stat().st_size > 100 for path in trace.parent.glob("*.xplane.pb")] == [True]
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert any("jit" in event.get("name", "") or "step_fn" in event.get("name", "") for event in events)
    steps = [event["args"]["step_num"] for event in events if event.get("name") == "train"]
    return state, sorted(map(int, steps))


@pytest.mark.parametrize(
    ("window", "start", "count", "steps"),
    [
        ((3, 5), 0, 8, [3, 4]),
        ((3, 5), 4, 4, [4]),
        ((6, 100), 0, 8, [6, 7]),
        ((3, 5), 10, 3, []),
    ],
)
def test_the_profile_holds_the_steps(tmp_path, window, start, count, steps):
    state, found = profiled(tmp_path, profile_steps.Window(*window), start=start, count=count)
    assert found == steps
    plain = jnp.float32(0)
    for _ in range(count):
        plain, _ = step_fn(plain, jnp.ones((64, 64)))
    assert state == plain


def test_what_is_written_on_the_command_line():
    assert profile_steps.parse("10:15") == (10, 15)
    for text in ("10", "15:10", "10:10", "a:b", "-1:5", "1:2:3", ""):
        with pytest.raises(ValueError, match="must be FIRST:STOP"):
            profile_steps.parse(text)
