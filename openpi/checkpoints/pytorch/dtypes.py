"""Which tensors stay float32 when the PyTorch port stores a model in bfloat16."""

import ml_dtypes
import numpy as np

from openpi.checkpoints.pytorch import table

PRECISIONS = ("float32", "bfloat16")
# Parts of names within the port's two transformers: patches, positions and every RMS norm, adaptive ones too.
_FLOAT32 = (
    "vision_model.embeddings.patch_embedding.",
    "vision_model.embeddings.position_embedding.",
    "input_layernorm.",
    "post_attention_layernorm.",
    "model.norm.",
)


def stored(name: str, precision: str) -> np.dtype:
    """The dtype of a tensor of `table` in a file of that precision.

    The projections of state, actions and time lie outside the transformers and always stay float32.

    Args:
      name: of the tensor.
      precision: in PRECISIONS.
    """
    whole = precision == "float32" or not name.startswith(table.MODEL) or any(part in name for part in _FLOAT32)
    return np.dtype(np.float32 if whole else ml_dtypes.bfloat16)
