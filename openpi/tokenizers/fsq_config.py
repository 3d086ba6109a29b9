"""What a FSQ network is built of: the settings that lie beside its parameters, checked, and the shapes they lead to."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

from openpi.tokenizers import fsq_codebook

HEAD_DIM = 64
_MAX = 1 << 16


@dataclasses.dataclass(frozen=True)
class FsqConfig:
    """The settings, named as in the checkpoint.

    Attributes:
      embed_dim: width D, a multiple of 64.
      data_dim: numbers A of an action.
      data_horizon: actions H of a chunk.
      num_tokens: tokens T of a chunk.
      num_layers: of the encoder, and of the decoder.
      target_codebook_size: one of the codebooks' sizes.
      causal: whether a token sees only the actions of its time and before.
      mlp_ratio: width of the feed-forward, relative to `embed_dim`.
      bound: actions are clipped to ± this; None leaves them.
      use_state_conditioning: must be off: a sample's state does not reach this tokenizer.
    """

    embed_dim: int
    data_dim: int
    data_horizon: int
    num_tokens: int
    num_layers: int
    target_codebook_size: int
    causal: bool = False
    mlp_ratio: float = 2.0
    bound: float | None = None
    use_state_conditioning: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that is wrong."""
        for name in ("embed_dim", "data_dim", "data_horizon", "num_tokens", "num_layers", "target_codebook_size"):
            _require(_is_integer(getattr(self, name)), name, getattr(self, name), f"an integer from 1 to {_MAX}")
        _require(self.embed_dim % HEAD_DIM == 0, "embed_dim", self.embed_dim, f"a multiple of {HEAD_DIM}")
        for name in ("causal", "use_state_conditioning"):
            _require(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        _require(not self.use_state_conditioning, "use_state_conditioning", True, "false: there is no state to give it")
        _require(_is_positive(self.mlp_ratio), "mlp_ratio", self.mlp_ratio, "a number above 0")
        _require(1 <= self.mlp_dim <= _MAX, "mlp_ratio", self.mlp_ratio, "such that the feed-forward has some width")
        _require(self.bound is None or _is_positive(self.bound), "bound", self.bound, "null or a number above 0")
        fsq_codebook.bins_per_dim(self.target_codebook_size)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Reads the settings; raises ValueError for one that is missing, unknown or wrong."""
        known = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(cls)}
        for name, is_needed in known.items():
            _require(name in fields or not is_needed, name, "missing", "given")
        for name in fields:
            _require(name in known, name, fields[name], f"left out: the settings are {', '.join(known)}")
        return cls(**fields)

    @property
    def mlp_dim(self) -> int:
        return int(self.embed_dim * self.mlp_ratio)

    @property
    def bins(self) -> tuple[int, ...]:
        return fsq_codebook.bins_per_dim(self.target_codebook_size)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by its path."""
        width, digits = self.embed_dim, len(self.bins)
        shapes: dict[str, tuple[int, ...]] = {"out_scale": ()}
        shapes |= _dense("proj", self.data_dim, width) | _dense("proj_mean", width, self.data_dim)
        shapes |= _dense("codebook/proj_down", width, digits) | _dense("codebook/proj_up", digits, width)
        for name, outputs, inputs in (
            ("encoder", self.num_tokens, self.data_horizon),
            ("decoder", self.data_horizon, self.num_tokens),
        ):
            shapes |= {f"{name}/q_embed": (outputs, width), f"{name}/y_pos_enc": (inputs, width)}
            for i in range(self.num_layers):
                shapes |= {f"{name}/CrossAttentionLayer_{i}/{path}": shape for path, shape in self._layer().items()}
        return shapes

    def _layer(self) -> dict[str, tuple[int, ...]]:
        width, hidden = self.embed_dim, self.mlp_dim
        heads = (width // HEAD_DIM, HEAD_DIM)
        shapes: dict[str, tuple[int, ...]] = {}
        for i in range(3):
            shapes |= {f"LayerNorm_{i}/scale": (width,), f"LayerNorm_{i}/bias": (width,)}
        for i in range(2):
            name = f"MultiHeadDotProductAttention_{i}"
            for part in ("query", "key", "value"):
                shapes |= {f"{name}/{part}/kernel": (width, *heads), f"{name}/{part}/bias": heads}
            shapes |= {f"{name}/out/kernel": (*heads, width), f"{name}/out/bias": (width,)}
        return (
            shapes
            | _dense("Dense_0", width, hidden)
            | _dense("GeGLU_0/Dense_0", hidden, 2 * hidden)
            | _dense("Dense_1", hidden, width)
        )


def _dense(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _require(condition: bool, name: str, value: Any, expected: str) -> None:
    if not condition:
        raise ValueError(f"FSQ tokenizer: setting {name!r} must be {expected}, and is {str(value)[:40]}")
