import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import fsq_checkpoint

_CONFIG = {"embed_dim": 64, "causal": False, "bound": None, "mlp_ratio": 0.5}
_PARAMS = {
    "proj": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float32)},
    "out_scale": np.float32(2).reshape(()),
    "encoder": {"CrossAttentionLayer_0": {"Dense_0": {"bias": np.full(4, 0.5, np.float32)}}},
}


@pytest.fixture
def run(tmp_path):
    """A run as the published one was written: items by Orbax's standard and JSON handlers."""
    with ocp.CheckpointManager(tmp_path / "run", item_names=("params", "opt_state", "config")) as manager:
        for step, factor in ((7, 1), (100, 2)):
            params = jax.tree.map(lambda leaf, factor=factor: leaf * factor, _PARAMS)
            manager.save(
                step,
                args=ocp.args.Composite(
                    params=ocp.args.StandardSave(params),
                    opt_state=ocp.args.StandardSave({"count": np.zeros(2)}),
                    config=ocp.args.JsonSave(_CONFIG),
                ),
            )
    return tmp_path / "run"


def test_the_latest_step_is_read(run):
    config, params = fsq_checkpoint.load(run)
    assert config == _CONFIG
    assert jax.tree.structure(params) == jax.tree.structure(_PARAMS)
    jax.tree.map(lambda got, want: np.testing.assert_array_equal(got, want * 2, strict=True), params, _PARAMS)


def test_no_step(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(FileNotFoundError, match=r"should hold a step folder .* set config\.tokenizer\.codec"):
            fsq_checkpoint.load(folder)


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (None, FileNotFoundError, "settings are missing"),
        (b"{", ValueError, "damaged checkpoint .*metadata"),
        (b"[]", ValueError, "a list in place of an object"),
        (b" " * (1 << 21), ValueError, "larger than 1048576 bytes"),
    ],
)
def test_damaged_settings(run, content, error, text):
    path = run / "100/config/metadata"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(error, match=text) as raised:
        fsq_checkpoint.load(run)
    assert "\n" not in str(raised.value)


def test_damaged_parameters(run):
    (run / "100/params/manifest.ocdbt").write_bytes(b"")
    with pytest.raises(ValueError, match="damaged checkpoint .*params") as raised:
        fsq_checkpoint.load(run)
    assert "\n" not in str(raised.value)
