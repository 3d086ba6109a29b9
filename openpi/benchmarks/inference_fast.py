"""Measures pi0-FAST: the engine beside the plain model, with all cameras and with one that the robot lacks.

    bazel run //openpi/benchmarks:inference_fast -- --json=PATH

Both write the likeliest tokens in turn, from the same fresh inputs. In float32 these must be the same, token by token. A token
costs what many take beyond one, each; it is compared with the time that reading the weights takes at best. The exit code is 1 when
the engine is not 1.5 x as fast (on a CPU, one robot, 64 tokens): with two cameras the model reads as much as with three. On a machine with a GPU, without Bazel, from the repository's root:

    PYTHONPATH=. python3 openpi/benchmarks/inference_fast.py --models=full --json=gpu.json
"""

from typing import Any

import jax
import numpy as np
from absl import flags

from openpi.benchmarks import fast_sampling, record, roofline, sampling
from openpi.cli import program

_RECORD = record.Record("inference_fast", ("jax", "jaxlib", "flax", "numpy"))
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Chunks of each way that are measured.", lower_bound=1)
_MODELS = flags.DEFINE_list("models", ["mid", "narrow"], f"Which models, of {', '.join(fast_sampling.MODELS)}.")
_TOKENS = flags.DEFINE_integer("tokens", 64, "Tokens of a chunk at the most.", lower_bound=2)
_BATCH = flags.DEFINE_integer("batch_size", 1, "Rows.", lower_bound=1)

_CAMERAS = (3, 2)
_TARGET = 1.5  # times the plain model's speed
_WARM_UP = 2


def main(_: list[str]) -> int:
    """Compiles, checks, measures, prints and writes."""
    cases = []
    columns = ("cameras", "plain ms", "engine ms", "x", "a token", "a token", "x", "roofline", "same")
    print(f"{'model':8}" + "".join(f"{name:>11}" for name in columns))
    for model in _MODELS.value:
        config = fast_sampling.config(model)
        sample, best = fast_sampling.Sampling(config), roofline.measure(config.dtype)
        for cameras in _CAMERAS:
            case = {"model": model, "cameras": cameras, **_measure(sample, config, best, cameras)}
            cases.append(case)
            figures = []
            for name, speed in (("seconds", "speed"), ("seconds_per_token", "token_speed")):
                figures += [case[name][way]["median"] * 1000 for way in sampling.WAYS] + [case[speed]]
            figures += [case["token_roofline"], case["same"]]
            print(f"{model:8}{cameras:11}" + "".join(f"{each:11.2f}" for each in figures), flush=True)
    met = all(case["speed"] >= _TARGET for case in cases)
    result = {
        "targets": {"speed": _TARGET, "met": met},
        "batch_size": _BATCH.value,
        "tokens": _TOKENS.value,
        "cases": cases,
    }
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _measure(sample: fast_sampling.Sampling, config: Any, best: roofline.Roofline, cameras: int) -> dict[str, Any]:
    chunks: dict[str, list[float]] = {way: [] for way in sampling.WAYS}
    tokens_each: dict[str, list[float]] = {way: [] for way in sampling.WAYS}
    same = []
    for seed in range(_WARM_UP + _ROUNDS.value):
        model_input = fast_sampling.random_input(config, _BATCH.value, cameras, seed)
        tokens = {}
        for way in sampling.WAYS:
            _, first = sample(way, model_input, 1)
            tokens[way], chunk = sample(way, model_input, _TOKENS.value)
            chunks[way].append(chunk)
            tokens_each[way].append((chunk - first) / max(1, _written(tokens[way]) - 1))
        same.append(float(np.mean(tokens["engine"] == tokens["plain"])))
    if config.dtype == "float32" and min(same) < 1:
        raise RuntimeError(
            f"{cameras} cameras: the engine wrote other tokens than the plain model; same: {min(same):.3f}"
        )
    seconds, seconds_per_token = (
        {way: record.spread(timed[_WARM_UP:]) for way, timed in taken.items()} for taken in (chunks, tokens_each)
    )
    ratio = lambda taken: taken["plain"]["median"] / taken["engine"]["median"]
    return {
        "dtype": config.dtype,
        "seconds": seconds,
        "speed": ratio(seconds),
        "seconds_per_token": seconds_per_token,
        "token_speed": ratio(seconds_per_token),
        "token_roofline": sample.weights_per_token / best.bytes / seconds_per_token["engine"]["median"],
        "same": float(np.mean(same)),
    }


def _written(tokens: np.ndarray) -> int:
    """How many tokens the longest row has."""
    return int(np.max(np.flatnonzero(tokens.any(axis=0)), initial=0)) + 1


if __name__ == "__main__":
    program.run(main)
