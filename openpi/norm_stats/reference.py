"""Other statistics to compare with: a file, a folder, or those that a checkpoint carries."""

import pathlib

from openpi.checkpoints import layout, locate
from openpi.normalization import norm_stats


def load(name: str, asset_id: str) -> tuple[pathlib.Path, dict[str, norm_stats.NormStats]]:
    """Finds and reads them.

    Args:
      name: a `norm_stats.json`, the folder of one, a checkpoint (those of `asset_id`, or the only ones that it has), or
        the URL of such a folder, e.g. `gs://openpi-assets/checkpoints/pi0_base/assets/trossen`.
      asset_id: that of the configuration.

    Returns:
      (the file, the statistics).

    Raises:
      FileNotFoundError: there are none, or several and none of `asset_id`.
      OSError: they cannot be fetched.
      ValueError: the file is damaged.
    """
    if "://" in name and "/assets/" not in name:
        raise ValueError(
            f"--compare={name}: name the folder of the statistics, so that not the whole checkpoint is fetched: "
            f"{name.rstrip('/')}/assets/{asset_id}"
        )
    path = locate.local(name)
    folder = path.parent if path.name == norm_stats.FILE_NAME else path
    if not (folder / norm_stats.FILE_NAME).is_file():
        folder = _in_checkpoint(folder, asset_id)
    return folder / norm_stats.FILE_NAME, norm_stats.load(folder)


def _in_checkpoint(path: pathlib.Path, asset_id: str) -> pathlib.Path:
    if not path.is_dir():
        raise FileNotFoundError(f"--compare={path}: there is no such file or folder")
    if not (path / layout.ASSETS).is_dir():
        path = locate.find_step_dir(path)
    assets = path / layout.ASSETS
    found = sorted(file.parent for file in assets.rglob(norm_stats.FILE_NAME))
    own = assets / asset_id
    if own in found or len(found) == 1:
        return own if own in found else found[0]
    ids = ", ".join(str(folder.relative_to(assets)) for folder in found) or "none"
    raise FileNotFoundError(
        f"--compare={path}: this checkpoint has no statistics of {asset_id!r}; it has: {ids}; give {assets}/NAME"
    )
