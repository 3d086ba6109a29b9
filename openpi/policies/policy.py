"""A model behind its transforms: an observation goes in, an action chunk comes out, both in the robot's units."""

import dataclasses
import functools
import time
from collections.abc import Hashable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from openpi.models import model as model_lib
from openpi.models import real_time_chunking
from openpi.policies import batch_policy, continuation, model_input, request_options, sampler
from openpi.transforms import transform

MAX_BATCH_SIZE = 8
# A batch twice as large must take at most this many times as long: less is not worth that a request waits for others.
_WORTH_IT = 1.6


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Request:
    """An observation that the model can take: its input, unbatched, the state for the way back, and how to sample."""

    sample: dict[str, Any]
    state: np.ndarray
    sampling: request_options.RequestOptions  # the policy's own filled in
    lead: continuation.Lead | None  # what the chunk goes on from, as the model sees it


class Policy(batch_policy.BatchPolicy):
    """Infers action chunks with one model. Not thread-safe: it holds the random state, which moves with every call.

    The road: input transform → batch → sampler → output transform; the transforms are those of training.

    Each request splits a key of its own off the random state, in the order of the requests, whether they come one by one
    or as a batch; one that is refused splits none. A lone client so gets the sequence that the published policy gives.
    """

    def __init__(
        self,
        model_config: model_lib.Config,
        model: sampler.Sampler,
        *,
        rng: Array | None = None,
        input_transform: transform.Transform,
        output_transform: transform.Transform,
        sampling: request_options.RequestOptions,
        max_decoding_steps: int = 256,
        metadata: dict[str, Any] | None = None,
    ):
        """Compiles nothing yet (see `warmup`).

        Args:
          model_config: sizes of the model.
          model: the model itself.
          rng: the random key that calls split their keys off; `jax.random.key(0)` if None.
          input_transform: observation → model input (unbatched numpy).
          output_transform: `state` and `actions` of the model ([H, A]; tokens [T] for pi0-FAST) → the robot's `actions`.
          sampling: what requests without options of their own get: both `num_steps` and `temperature` are given.
          max_decoding_steps: tokens of a call at the most (pi0-FAST).
          metadata: what a server tells its clients on connecting.
        """
        self._config = model_config
        self._model = model
        # Weights that are bound to a device bind the key that a call returns: a key not bound from the start would make the
        # second call compile anew.
        self._rng = jax.device_put(jax.random.key(0) if rng is None else rng, model.device)
        self._input_transform = input_transform
        self._output_transform = output_transform
        self._metadata = dict(metadata or {})
        self._defaults = sampling
        self._max_decoding_steps = max_decoding_steps
        self._spec = model_input.spec_of(model_config)
        self._rtc_refused: str | None = None
        self._max_candidates = request_options.MAX_CANDIDATES

    @property
    def metadata(self) -> dict[str, Any]:
        """What a server tells its clients on connecting."""
        return self._metadata

    @property
    def noise_shape(self) -> tuple[int, int] | None:
        """[H, A] of the noise that a request may bring; None where tokens are drawn."""
        return None if model_lib.is_autoregressive(self._config) else self._action_shape

    def infer(self, obs: dict, noise: Float[np.ndarray, "H A"] | Float[np.ndarray, "1 H A"] | None = None) -> dict:
        """Returns `actions` [H, robot's action dim] and `policy_timing`, in one dict.

        Args:
          obs: one observation in the robot's units, without batch axis; it is not changed. Its entry `openpi`, if any, holds
            options for this call (`request_options`). Only `rtc` and `candidates` compile, once (see `warmup`).
          noise: what sampling starts from; drawn from the policy's random key if None. The key moves on either way.

        A chunk that was asked to go on from the running one tells how well it does in `result["openpi"]["rtc"]` (`continuation`).

        One that asked for candidates has all of them in `result["openpi"]["candidates"]` [N, H, robot's action dim], and in
        `result["openpi"]["uncertainty"]` [N] what chose among them: the less, the straighter the flow went there.

        `policy_timing.infer_ms` is the time from handing the model input to the device until the actions are there.
        (The published policy stops its clock before that, so that its figures are lower than what a caller waits.)

        Raises:
          ValueError: the observation or its options are not what the robot or the model takes.
          RuntimeError: the model's actions are not finite: its parameters are broken.
        """
        (result,) = self._answer([self._prepare(obs, noise)])
        if isinstance(result, Exception):
            raise result
        return result

    def group(self, obs: dict) -> Hashable | None:
        """Requests for as many denoising steps run together, led ones apart; tokens only if none are drawn (temperature 0).

        One that asks for candidates runs alone.
        """
        try:
            sampling = self._sampling(request_options.take(obs)[1], None)
        except ValueError:
            return None
        if model_lib.is_autoregressive(self._config):
            return None if sampling.temperature else "likeliest tokens"
        return None if sampling.candidates else _alike(sampling)

    def infer_batch(self, observations: Sequence[dict]) -> list[dict | Exception]:
        """Returns for each observation what `infer` would return or raise, up to rounding, from one run of the model.

        Args:
          observations: of one `group`, which is not None if there are several. `policy_timing` is that of the run.
        """
        prepared: list[_Request | Exception] = []
        for obs in observations:
            try:
                prepared.append(self._prepare(obs, None))
            except Exception as error:  # noqa: BLE001 (that request's answer)
                prepared.append(error)
        requests = [each for each in prepared if isinstance(each, _Request)]
        if len({_alike(each.sampling) for each in requests}) > 1 or any(r.sampling.candidates for r in requests[1:]):
            raise ValueError("these observations sample differently; give infer_batch those of one group only")
        results = iter(self._answer(requests) if requests else [])
        return [next(results) if isinstance(each, _Request) else each for each in prepared]

    def warmup(self, max_batch_size: int | None = 1, *, rtc: bool = False, candidates: int | None = None) -> int:
        """Compiles the sampler for batches of 1, 2, 4, ..., so that no client waits. The random state stays as it is.

        Args:
          max_batch_size: the largest batch; None tries how far batches gain on this device, up to 8.
          rtc: also for requests that go on from a running chunk.
          candidates: also for requests for so many of them; those for more are refused from now on, so that none of them
            compiles. None compiles none of them, and refuses none.

        Returns:
          The largest batch that is worth it: `max_batch_size` if given.
        """
        size, before = 1, self._warm(1, timed=max_batch_size is None)
        while size < (max_batch_size or MAX_BATCH_SIZE):
            took = self._warm(2 * size, timed=max_batch_size is None)
            if max_batch_size is None and took > _WORTH_IT * before:
                break
            size, before = 2 * size, took
        largest = max_batch_size or size
        while rtc and size:
            for method in real_time_chunking.METHODS:
                self._warm(size, timed=False, rtc=method)
            size //= 2
        if candidates is not None:
            self._max_candidates = candidates
            batch, sampling = self._example(1, None)
            for size in (2**power for power in range(1, _bucket(candidates).bit_length())):
                jax.block_until_ready(self._model.explore(self._rng, batch, sampling, size))
        return largest

    def refuse_rtc(self, why: str) -> None:
        """Refuses requests to go on from a running chunk from now on, so that none of them compiles."""
        self._rtc_refused = why

    def _prepare(self, obs: dict, noise: np.ndarray | None) -> _Request:
        obs, options = request_options.take(obs)
        sampling = self._sampling(options, noise)
        # The running chunk's remainder goes the road of a dataset's actions: relative to this state, not to that of its own.
        going_on = {} if sampling.rtc is None else {"actions": sampling.rtc.remainder}
        data = self._input_transform({**obs, **going_on})
        lead = None if sampling.rtc is None else continuation.lead(sampling.rtc, data["actions"], self._action_shape[0])
        sample, state = model_input.check(self._spec, data), model_input.state_of(data)
        return _Request(sample=sample, state=state, sampling=sampling, lead=lead)

    def _answer(self, requests: Sequence[_Request]) -> list[dict | Exception]:
        candidates = requests[0].sampling.candidates
        if candidates is None or candidates == 1:
            return self._run(requests)
        return [self._explore(requests[0], candidates)]

    def _explore(self, request: _Request, candidates: int) -> dict | Exception:
        """The least uncertain of several chunks, and all of them."""
        start = time.perf_counter()
        batch = model_input.batch([request.sample], 1)
        sampling = self._batch_sampling([request.sampling], 1, None)
        self._rng, rows, uncertainty = self._model.explore(self._rng, batch, sampling, _bucket(candidates))
        actions, uncertain = np.asarray(rows)[:candidates], np.asarray(uncertainty)[:candidates]
        timing = {"infer_ms": (time.perf_counter() - start) * 1000}
        results = [self._result(request, row, timing) for row in actions]
        failed = [result for result in results if isinstance(result, Exception)]
        if failed:
            return failed[0]
        chunks = [result for result in results if not isinstance(result, Exception)]
        told = {"candidates": np.stack([chunk["actions"] for chunk in chunks]), "uncertainty": uncertain}
        return {**chunks[int(np.argmin(uncertain))], "openpi": told}

    def _run(self, requests: Sequence[_Request]) -> list[dict | Exception]:
        """Runs the model once, for requests that sample alike."""
        size = _bucket(len(requests))
        batch = model_input.batch([request.sample for request in requests], size)
        start = time.perf_counter()
        leads = [request.lead for request in requests if request.lead is not None]
        guidance = continuation.guidance(leads, size) if leads else None
        sampling = self._batch_sampling([request.sampling for request in requests], size, guidance)
        self._rng, rows = self._model.sample(self._rng, batch, sampling, len(requests))
        actions = np.asarray(rows)  # Blocks until the device is done.
        timing = {"infer_ms": (time.perf_counter() - start) * 1000}
        return [self._result(request, row, dict(timing)) for request, row in zip(requests, actions, strict=False)]

    def _result(self, request: _Request, actions: np.ndarray, timing: dict[str, float]) -> dict | Exception:
        """Takes one row of the model's actions back to the robot's units."""
        if not np.isfinite(actions).all():
            return RuntimeError("the model's actions are not finite: its parameters are broken; use another checkpoint")
        try:
            outputs = self._output_transform({"state": request.state, "actions": actions})
        except Exception as error:  # noqa: BLE001 (that request's answer)
            return error
        result = {**outputs, "policy_timing": timing}
        if (rtc := request.sampling.rtc) is not None:
            result["openpi"] = {"rtc": continuation.report(rtc, outputs["actions"])}
        return result

    def _sampling(
        self, options: request_options.RequestOptions, noise: np.ndarray | None
    ) -> request_options.RequestOptions:
        """How to sample one call: its options, or the policy's own."""
        noise = options.noise if noise is None else noise
        if model_lib.is_autoregressive(self._config):
            if not (options.num_steps is noise is options.rtc is options.candidates is None):
                raise ValueError(
                    "pi0_fast draws tokens: it takes a temperature, but neither num_steps, noise, rtc nor candidates"
                )
        elif options.temperature is not None:
            raise ValueError(f"{self._config.model_type} draws no tokens: it takes num_steps and noise, no temperature")
        if options.candidates is not None and options.candidates > self._max_candidates:
            raise ValueError(
                f"candidates={options.candidates} are more than the {self._max_candidates} that this policy was made ready for "
                "(--max_candidates of a server)"
            )
        if options.rtc is not None:
            if self._rtc_refused:
                raise ValueError(self._rtc_refused)
            continuation.check(options.rtc, self._config.action_horizon)
        return request_options.RequestOptions(
            num_steps=self._defaults.num_steps if options.num_steps is None else options.num_steps,
            temperature=self._defaults.temperature if options.temperature is None else options.temperature,
            noise=None if noise is None else model_input.check_noise(noise, self._action_shape),
            candidates=options.candidates,
            rtc=options.rtc,
        )

    @property
    def _action_shape(self) -> tuple[int, int]:
        return self._config.action_horizon, self._config.action_dim

    def _batch_sampling(
        self,
        each: Sequence[request_options.RequestOptions],
        size: int,
        guidance: real_time_chunking.Guidance | None,
    ) -> model_lib.FlowSampling | model_lib.TokenSampling:
        """The options of a batch, in arrays of a fixed shape and dtype."""
        if model_lib.is_autoregressive(self._config):
            return model_lib.TokenSampling(np.float32(each[0].temperature), self._max_decoding_steps)
        noise = np.zeros((size, *self._action_shape), np.float32)
        given = np.zeros((size, 1, 1), np.bool_)
        for row, options in enumerate(each):
            if options.noise is not None:
                noise[row], given[row] = options.noise, True
        return model_lib.FlowSampling(np.int32(each[0].num_steps), noise, given, guidance)

    def _warm(self, size: int, *, timed: bool, rtc: str | None = None) -> float:
        """Compiles for batches of `size`, led by a method or free, and returns the seconds that one takes; 0 unless `timed`."""
        batch, sampling = self._example(size, rtc)
        self._model.compile(self._rng, batch, sampling)
        call = functools.partial(self._model.sample, self._rng, batch, sampling, 1)
        seconds = []
        for _ in range(5 if timed else 0):
            start = time.perf_counter()
            jax.block_until_ready(call())
            seconds.append(time.perf_counter() - start)
        return min(seconds, default=0.0)

    def _example(
        self, size: int, rtc: str | None
    ) -> tuple[dict[str, Any], model_lib.FlowSampling | model_lib.TokenSampling]:
        """A batch with all cameras and the longest prompts, and how to sample it."""
        batch = model_input.batch([model_input.zeros(self._spec)], size)
        for key in ("image_mask", "tokenized_prompt_mask"):
            batch[key] = jax.tree.map(np.ones_like, batch[key])
        guidance = continuation.guidance([continuation.nowhere(*self._action_shape, rtc)], size) if rtc else None
        return batch, self._batch_sampling([self._defaults], size, guidance)


def _alike(sampling: request_options.RequestOptions) -> tuple[Hashable, ...]:
    """What requests of one batch share."""
    method = None if sampling.rtc is None else sampling.rtc.method
    return sampling.num_steps, sampling.temperature, method, sampling.candidates


def _bucket(count: int) -> int:
    """The size that a batch of `count` is filled up to, so that few sizes are compiled: 1, 2, 4, 8, ..."""
    return 1 << (count - 1).bit_length()
