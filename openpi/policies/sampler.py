"""What a policy asks of a model: rows of actions, or of tokens, for a batch of inputs."""

import abc
from typing import Any

import jax
from jaxtyping import Array, Float, Int

from openpi.models import model as model_lib


class Sampler(abc.ABC):
    """A model with its weights, ready to sample.

    Axis letters: `B` rows, `H` action horizon, `A` action dim, `T` tokens.
    """

    @property
    @abc.abstractmethod
    def device(self) -> jax.Device:
        """Where the weights are."""

    @abc.abstractmethod
    def sample(
        self, rng: Array, inputs: dict[str, Any], sampling: model_lib.FlowSampling | model_lib.TokenSampling, count: int
    ) -> tuple[Array, Float[Array, "B H A"] | Int[Array, "B T"]]:
        """Samples actions (or tokens) for a batch of model inputs.

        Args:
          rng: split once for each request, one after the other.
          inputs: of the model, in numpy (see `model_input`).
          sampling: for all rows; `noise_given` says for each row ([B, 1, 1]) whether its noise counts. Tokens are drawn with the
            first request's key.
          count: the requests; the rows behind them only fill the batch.

        Returns:
          The key to use next, and the rows, each as its request would get it alone (tokens: at temperature 0).
        """

    @abc.abstractmethod
    def compile(
        self, rng: Array, inputs: dict[str, Any], sampling: model_lib.FlowSampling | model_lib.TokenSampling
    ) -> None:
        """Compiles all that `sample` may run for batches of this size.

        Args:
          rng: as for `sample`; it is not used up.
          inputs: a batch with all cameras and the longest prompts.
          sampling: as for `sample`.
        """

    def explore(
        self, rng: Array, inputs: dict[str, Any], sampling: model_lib.FlowSampling | model_lib.TokenSampling, size: int
    ) -> tuple[Array, Float[Array, "N H A"], Float[Array, " N"]]:
        """Samples several chunks for one request, from one look at its images.

        Args:
          rng: split once.
          inputs: of one row.
          sampling: of one row; its noise, or what its key draws, is the first chunk's.
          size: chunks, `N`.

        Returns:
          The key to use next, the chunks, and how uncertain the flow was of each (see `flow_candidates`).

        Raises:
          ValueError: this sampler cannot.
        """
        raise ValueError("candidates are chunks of pi0 and pi0.5, from --engine=fused")
