import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints.pytorch import dtypes, mapping, tiny


@pytest.mark.parametrize("kind", ["pi0", "pi05"])
def test_what_stays_float32(kind):
    shapes = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(tiny.shapes(kind), sep="/").items()}
    float32 = lambda path: (
        not path.startswith("PaliGemma/")
        or path.startswith(("PaliGemma/img/embedding/", "PaliGemma/img/pos_embedding"))
        or (path.startswith("PaliGemma/llm/") and "norm" in path)
    )
    for tensor in mapping.tree_tensors(shapes):
        assert dtypes.stored(tensor.name, "float32") == np.float32
        expected = np.float32 if float32(tensor.path) else ml_dtypes.bfloat16
        assert dtypes.stored(tensor.name, "bfloat16") == expected, tensor.name
