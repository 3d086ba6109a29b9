"""What the statistics of a configuration are computed from, to be compared with what those on disk were computed from."""

from openpi.config import build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import fingerprint
from openpi.normalization import origin
from openpi.transforms import tree_paths


def describe(
    config: schema.ConfigDict, dataset: dataset_lib.Recorded, *, max_frames: int | None = None, method: str = "exact"
) -> origin.Origin:
    """The record of statistics that are computed now.

    Args:
      config: the configuration.
      dataset: what it trains on, or a mixture.
      max_frames: how many were measured at the most; None: all.
      method: "exact" or "published".
    """
    robot = build_transforms.robot_of(config)
    wanted = (*(part.key for part in robot.state), "actions")
    repack = {key: name for key, name in tree_paths.flatten_dict(config.data.repack.to_dict()).items() if key in wanted}
    told = config.data.robot.to_dict()
    return origin.Origin(
        dataset={
            "frames": len(dataset),
            "episodes": len(dataset.episodes.stop),
            "fingerprint": fingerprint.fingerprint(dataset),
        },
        action_horizon=config.model.action_horizon,
        delta_mask=list(robot.delta_mask),
        robot={key: told[key] for key in ("state", "state_conversions", "actions", "action_conversions")},
        repack=repack,
        method=method,
        min_std=float(config.data.min_std),
        frames=len(dataset) if max_frames is None else min(max_frames, len(dataset)),
    )
