"""What a transform is, and how transforms are put together."""

import dataclasses
from collections.abc import Callable, Sequence

# One unbatched sample in, one out; leaves are numpy arrays or strings. A transform never changes the dict or the arrays it
# was given: it returns a new dict, which may share what it did not touch.
Transform = Callable[[dict], dict]


@dataclasses.dataclass(frozen=True)
class _Composed:
    """A chain of transforms, as an object, so that it can be pickled for worker processes."""

    transforms: tuple[Transform, ...]

    def __call__(self, data: dict) -> dict:
        for transform in self.transforms:
            data = transform(data)
        return data


def compose(transforms: Sequence[Transform]) -> Transform:
    """Returns the transform that applies `transforms` in order; none of them gives the identity."""
    return _Composed(tuple(transforms))


def steps(transform: Transform) -> tuple[Transform, ...]:
    """Returns the single transforms of one that `compose` made, those inside its parts too; a single one is its own step."""
    if not isinstance(transform, _Composed):
        return (transform,)
    return tuple(step for part in transform.transforms for step in steps(part))


@dataclasses.dataclass(frozen=True)
class Group:
    """Transforms on the way into a model, and those on the way out, in the order in which they are applied."""

    inputs: tuple[Transform, ...] = ()
    outputs: tuple[Transform, ...] = ()

    def push(self, *, inputs: Sequence[Transform] = (), outputs: Sequence[Transform] = ()) -> "Group":
        """Returns a group one layer nearer to the model: inputs go to the end, outputs to the front.

        Outputs thus undo inputs in reverse order.
        """
        return Group(inputs=(*self.inputs, *inputs), outputs=(*outputs, *self.outputs))
