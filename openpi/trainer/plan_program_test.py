"""Programs whose memory can be counted by hand."""

import jax
import jax.numpy as jnp
import pytest

from openpi.trainer import plan_program

_SIDE = 512
_FLOAT32 = 4 * _SIDE * _SIDE


def _square(dtype):
    return jax.ShapeDtypeStruct((_SIDE, _SIDE), dtype)


def _chain(x, y):
    """Two products after one another: the first result is kept until the second is done."""
    return ((x @ y) @ y).astype(jnp.float32)


def test_arguments_outputs_and_what_is_between():
    memory = plan_program.of_compiled(jax.jit(_chain).lower(_square(jnp.float32), _square(jnp.float32)).compile())
    assert memory.arguments == 2 * _FLOAT32
    assert memory.outputs == pytest.approx(_FLOAT32, abs=1024)
    assert memory.temporaries == pytest.approx(_FLOAT32, rel=0.1)
    assert memory.peak == memory.arguments + memory.outputs + memory.temporaries


def test_what_replaces_a_donated_argument_counts_once():
    step = jax.jit(lambda x: x * 2, donate_argnums=0)
    memory = plan_program.of_compiled(step.lower(_square(jnp.float32)).compile())
    assert memory.peak == pytest.approx(_FLOAT32, abs=1024)


def test_an_accelerator_keeps_no_float32_copies_of_bfloat16():
    lower = lambda: jax.jit(_chain).lower(_square(jnp.bfloat16), _square(jnp.bfloat16))
    here, there = plan_program.of_compiled(lower().compile()), plan_program.on_accelerator(lower())
    assert there.arguments == here.arguments == _FLOAT32
    assert there.outputs == pytest.approx(_FLOAT32, abs=1024)
    assert there.temporaries <= 1.1 * _FLOAT32  # both products in bfloat16
    assert here.temporaries >= 1.4 * there.temporaries


def test_float32_is_float32_everywhere():
    lower = lambda: jax.jit(_chain).lower(_square(jnp.float32), _square(jnp.float32))
    here, there = plan_program.of_compiled(lower().compile()), plan_program.on_accelerator(lower())
    assert there.peak == pytest.approx(here.peak, rel=0.05)
