"""Normalization statistics as text for people."""

from collections.abc import Mapping, Sequence

import numpy as np

from openpi.normalization import lint, measured, norm_stats

_COLUMNS = {"min": "minimum", "q01": "q01", "mean": "mean", "q99": "q99", "max": "maximum", "std": "std"}


def render(
    stats: Mapping[str, measured.Measured],
    names: Mapping[str, Sequence[str]],
    flags: Sequence[lint.Flag],
    *,
    min_std: float = 0.0,
    reference: Mapping[str, norm_stats.NormStats] | None = None,
) -> str:
    """A table a key, a row a dim, with what is wrong with it; then every finding with its advice.

    Args:
      stats: as measured.
      names: of the dims of each key.
      flags: findings of `lint.check`.
      min_std: the one of the configuration; dims that it leaves unscaled are marked.
      reference: other statistics: shift (in their std) and scale of each dim beside them are shown.
    """
    lines = []
    for key, entry in stats.items():
        labels = [str(dim) for dim in range(len(entry.mean))]
        if len(names.get(key, ())) == len(labels):
            labels = [f"{dim} {name}" for dim, name in zip(labels, names[key], strict=True)]
        width = max(len(key), *map(len, labels))
        columns = {title: getattr(entry, field) for title, field in _COLUMNS.items()}
        if reference is not None and key in reference:
            shift, scale = lint.shift_and_scale(entry, reference[key])
            columns |= {"shift": shift, "scale": scale}
        lines += ["", f"{key:<{width}}" + "".join(f"{title:>11}" for title in columns)]
        for dim, label in enumerate(labels):
            numbers = "".join(f"{_number(title, values, dim):>11}" for title, values in columns.items())
            lines.append(f"{label:<{width}}{numbers}{_notes(key, entry, dim, flags, min_std)}")
        lines.append(f"{entry.count:,} samples")
    if flags:
        found = f"{len(flags)} finding{'s' if len(flags) > 1 else ''}:"
        lines += ["", found, *(f"  {_where(flag, names)}: {flag.problem}: {flag.text}" for flag in flags)]
    else:
        lines += ["", "nothing looks wrong"]
    return "\n".join(lines[1:])


def _number(title: str, values: np.ndarray, dim: int) -> str:
    if dim >= len(values) or np.isnan(values[dim]):
        return "-"
    return f"{values[dim]:.2f}" if title in ("shift", "scale") else f"{values[dim]:.4g}"


def _notes(key: str, entry: measured.Measured, dim: int, flags: Sequence[lint.Flag], min_std: float) -> str:
    notes = list(dict.fromkeys(flag.problem for flag in flags if (flag.key, flag.dim) == (key, dim)))
    if min(entry.std[dim], (entry.q99[dim] - entry.q01[dim]) / 2) < min_std:
        notes.append(f"not scaled: varies by less than {min_std:g}")
    return f"  {', '.join(notes)}" if notes else ""


def _where(flag: lint.Flag, names: Mapping[str, Sequence[str]]) -> str:
    if flag.dim is None:
        return flag.key
    known = names.get(flag.key, ())
    return f"{flag.key}[{flag.dim}]" + (f" {known[flag.dim]}" if flag.dim < len(known) else "")
