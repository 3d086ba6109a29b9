"""Normalization statistics as text for people."""

from collections.abc import Mapping

from openpi.normalization import norm_stats

_COLUMNS = ("mean", "std", "q01", "q99")


def render(stats: Mapping[str, norm_stats.NormStats], *, min_std: float = 0.0) -> str:
    """A table a key, a row a dimension.

    Args:
      stats: as `dataset_stats.compute_norm_stats` returns them.
      min_std: the one that they were computed with; dimensions that it left unscaled are marked.
    """
    lines = []
    for key, entry in stats.items():
        lines += ["", f"{key + ' dim':>12}" + "".join(f"{name:>13}" for name in _COLUMNS)]
        for dim in range(len(entry.mean)):
            numbers = "".join(f"{getattr(entry, name)[dim]:13.5g}" for name in _COLUMNS)
            note = f"  not scaled: varies by less than {min_std:g}" if min_std and entry.std[dim] == 1.0 else ""
            lines.append(f"{dim:>12}{numbers}{note}")
    return "\n".join(lines[1:])
