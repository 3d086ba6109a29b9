import contextlib
import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from openpi.trainer import divergence, guard, loop, metrics_writer, stop_signal, train_step
from openpi.trainer import state as state_lib


class Batches:
    """Random batches, each from its own index; those of the indices `bad` are NaN. `get_state` is the next index."""

    def __init__(self, index=0, on_next=lambda index: None, bad=()):
        self.index = index
        self._on_next = on_next
        self._bad = bad

    def __next__(self):
        self._on_next(self.index)
        self.index += 1
        scale = np.nan if self.index - 1 in self._bad else 1.0
        return jax.device_put((np.random.default_rng(self.index).normal(size=(4, 3)) * scale).astype(np.float32))

    def get_state(self):
        return self.index


def run(
    directory,
    *,
    steps,
    batches=None,
    state=None,
    log_interval=2,
    save_interval=3,
    scale=1.0,
    validate=None,
    on_save=lambda snapshot: None,
    policy=divergence.STOP,
    **kwargs,
):
    """Returns the outcome and the saved steps with copies of their states and positions."""
    optimizer = optax.adam(1e-2)
    loss_fn = lambda params, rng, x, part: jnp.square(x @ params["w"] - 1.0 + jax.random.normal(rng, (4,))) * scale
    step_fn = train_step.make(loss_fn, optimizer)
    step_fn = jax.jit(guard.make(step_fn) if policy.skip else step_fn, donate_argnums=0)
    if state is None:
        state = state_lib.create({"w": jnp.zeros(3)}, optimizer, frozen="", ema=False)
    saved = {}

    def save(snapshot):
        saved[snapshot.step] = jax.tree.map(np.array, snapshot.state), snapshot.position
        on_save(snapshot)

    start = int(state.step)
    with (
        stop_signal.StopSignal() as stop,
        contextlib.closing(metrics_writer.MetricsWriter(directory, resume_step=start)) as writer,
    ):
        outcome = loop.train(
            step_fn,
            state,
            jax.random.key(0),
            batches or Batches(),
            loop.Plan(steps, log_interval, save_interval, policy=policy),
            stop=stop,
            save=save,
            writer=writer,
            validate=validate,
            **kwargs,
        )
    return outcome, saved


def test_steps_logs_and_saves(tmp_path, capfd):
    outcome, saved = run(tmp_path, steps=8)
    assert (outcome.last_step, outcome.exit_code, int(outcome.state.step)) == (7, 0, 8)
    assert {step: (int(state.step), position) for step, (state, position) in saved.items()} == {
        3: (4, 4),
        6: (7, 7),
        7: (8, 8),
    }
    lines = metrics_writer.read(tmp_path)
    assert [line["step"] for line in lines] == [0, 2, 4, 6, 7]
    assert set(lines[0]) == {"step", "loss", "grad_norm", "param_norm", "steps_per_second", "data_wait", "memory_gib"}
    shown = [line for line in capfd.readouterr().err.splitlines() if line]
    assert [line.split(":")[0] for line in shown] == [f"Step {step}" for step in (0, 2, 4, 6, 7)]
    assert f"loss={lines[1]['loss']:.4f}" in shown[1]
    assert "\r" not in "".join(shown)


def test_a_validation_is_written_and_scores_the_checkpoint_of_its_step(tmp_path):
    (tmp_path / "without").mkdir()
    without, _ = run(tmp_path / "without", steps=8)
    scores = {}

    def validate(step, state):
        assert int(state.step) == step + 1
        return loop.Validated({"validation/loss": 10.0 - step}, 10.0 - step) if step in (3, 5) else None

    outcome, _ = run(
        tmp_path, steps=8, validate=validate, on_save=lambda snapshot: scores.update({snapshot.step: snapshot.score})
    )
    assert scores == {3: 7.0, 6: None, 7: None}
    lines = {line["step"]: line.get("validation/loss") for line in metrics_writer.read(tmp_path)}
    assert lines == {0: None, 2: None, 3: 7.0, 4: None, 5: 5.0, 6: None, 7: None}
    jax.tree.map(np.testing.assert_array_equal, outcome.state, without.state)


def test_logs_averages_over_the_interval(tmp_path):
    (tmp_path / "each").mkdir()
    run(tmp_path / "each", steps=5, log_interval=1)
    run(tmp_path, steps=5, log_interval=4)
    each = [line["loss"] for line in metrics_writer.read(tmp_path / "each")]
    np.testing.assert_allclose(metrics_writer.read(tmp_path)[1]["loss"], np.mean(each[1:5]), rtol=1e-6)


def test_resuming_continues_exactly(tmp_path):
    whole, _ = run(tmp_path, steps=6)
    _, saved = run(tmp_path, steps=4, save_interval=100)
    state, position = saved[3]
    rest, _ = run(tmp_path, steps=6, state=jax.tree.map(jnp.asarray, state), batches=Batches(position))
    jax.tree.map(np.testing.assert_array_equal, rest.state, whole.state)
    done, nothing = run(tmp_path, steps=4, state=jax.tree.map(jnp.asarray, state))
    assert (done.last_step, done.exit_code, nothing) == (3, 0, {})


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_saves(tmp_path, number, code):
    kill = lambda index: os.kill(os.getpid(), number) if index == 4 else None
    outcome, saved = run(tmp_path, steps=100, batches=Batches(on_next=kill), save_interval=1000)
    assert (outcome.last_step, outcome.exit_code) == (4, code)
    assert (int(saved[4][0].step), saved[4][1]) == (5, 5)
    assert metrics_writer.read(tmp_path)[-1]["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_ends_at_once():
    program = """
import os, signal, time
from openpi.trainer import stop_signal
with stop_signal.StopSignal() as stop:
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.received == signal.SIGINT
    os.kill(os.getpid(), signal.SIGINT)
    print("still here")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert "once more to stop at once" in done.stderr


@pytest.mark.parametrize("log_interval", [1, 100])
def test_a_state_that_is_not_finite_is_never_saved(tmp_path, log_interval):
    saved = {}
    with pytest.raises(RuntimeError, match=r"step \d: loss is (inf|nan)") as error:
        _, saved = run(tmp_path, steps=10, log_interval=log_interval, save_interval=2, scale=jnp.inf)
    assert saved == {}
    assert "--config.lr_schedule.peak_lr" in str(error.value)


@pytest.mark.parametrize("policy", [divergence.STOP, divergence.Policy(skip=True, factor=50.0)])
@pytest.mark.parametrize("stopped_at", [0, 7, 20])
def test_a_stopped_run_logs_as_one_without_a_break(tmp_path, policy, stopped_at):
    place = jax.device_put if policy.skip else None
    (tmp_path / "whole").mkdir()
    bad = (3, 6, 30) if policy.skip else ()
    last = []
    kill = lambda index: os.kill(os.getpid(), signal.SIGTERM) if index == stopped_at else None
    first = Batches(on_next=kill, bad=bad)
    settings = {"steps": 40, "log_interval": 5, "policy": policy, "place_limits": place}
    run(tmp_path / "whole", batches=Batches(bad=bad), **settings)
    _, saved = run(tmp_path, batches=first, on_save=last.append, **settings)
    state, position = saved[stopped_at]
    state = jax.tree.map(jnp.asarray, state)
    run(tmp_path, state=state, batches=Batches(position, bad=bad), memory=last[-1].memory, **settings)
    lines = [
        [{k: line.get(k) for k in FOLLOWS} for line in metrics_writer.read(each)]
        for each in (tmp_path, tmp_path / "whole")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 9
    assert sum(line["skipped"] or 0 for line in lines[0]) == len(bad)


FOLLOWS = ("step", "loss", "grad_norm", "param_norm", "skipped")  # other metrics depend on the machine


def test_too_many_skips_stop_and_every_bad_step_is_told_once(tmp_path):
    told, saved = [], []

    def on_bad(step, position, reason):
        told.append((step, position, reason))
        return f"step {step}"

    policy = divergence.Policy(skip=True, max_skips=2)
    with pytest.raises(RuntimeError, match="training diverged: step 7; nothing was saved since"):
        run(
            tmp_path,
            steps=20,
            save_interval=1,
            policy=policy,
            batches=Batches(bad=(1, 2, 5, 6, 7, 8)),
            on_bad=on_bad,
            on_save=saved.append,
        )
    assert told == [(step, step + 1, "loss is nan") for step in (1, 2, 5, 6, 7)]
    assert [snapshot.step for snapshot in saved] == [1, 2, 3, 4, 5, 6]
    assert [snapshot.memory.skips for snapshot in saved] == [1, 2, 0, 0, 1, 2]
