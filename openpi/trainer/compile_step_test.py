import jax
import numpy as np

from openpi.trainer import compile_step, setup, sharding, tiny_dataset, training_data


def test_the_new_state_takes_the_place_of_the_old():
    config = tiny_dataset.config(data__kind="fake")
    parts = setup.build(config, sharding.make_mesh(1, config.batch_size))
    abstract = setup.abstract_state(parts)
    data = training_data.open_data(config)
    train_rng, init_rng = setup.rngs(config.seed)
    batch = setup.abstract_batch(parts, data.transform(data.dataset[0]), config.batch_size)
    step = compile_step.compile_step(parts, abstract, train_rng, batch)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(abstract))
    memory = step.memory_analysis()
    assert memory.alias_size_in_bytes >= size
    assert memory.output_size_in_bytes - memory.alias_size_in_bytes < 4096  # the metrics

    state = setup.init_state(parts, abstract, init_rng, {})
    leaves = jax.tree.leaves(state)
    new, metrics = step(state, train_rng, jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), batch))
    assert all(leaf.is_deleted() for leaf in leaves)
    assert int(new.step) == 1 and np.isfinite(metrics["loss"])
