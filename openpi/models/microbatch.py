"""A part of a batch, for gradients that are summed over several passes."""

import flax.struct
import jax
from jaxtyping import Array, Int


@flax.struct.dataclass
class Microbatch:
    """Every `count`-th sample of a batch, from the `index`-th on.

    Each sample must be treated as in the whole batch: what is drawn at random is drawn for all of it, and then picked.
    The samples lie apart, and not in a row, so that those of a batch that is spread over devices stay where they are.
    """

    index: Int[Array, ""] | int  # may be traced
    count: int = flax.struct.field(pytree_node=False)  # microbatches in the batch

    def total(self, size: int) -> int:
        """Samples of the whole batch, given those of this part."""
        return size * self.count

    def of(self, array: jax.Array, axis: int = 0) -> jax.Array:
        """This part of an array whose `axis` counts the whole batch's samples."""
        if self.count == 1:
            return array
        shape = array.shape[:axis] + (array.shape[axis] // self.count, self.count) + array.shape[axis + 1 :]
        return jax.lax.dynamic_index_in_dim(array.reshape(shape), self.index, axis + 1, keepdims=False)


WHOLE = Microbatch(index=0, count=1)
