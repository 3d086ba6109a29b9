"""Takes a dataset's names to the names that a robot's transforms expect."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from openpi.transforms import tree_paths


class MissingKeyError(KeyError):
    """A KeyError that prints as its plain text (KeyError alone prints the repr of it)."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclasses.dataclass(frozen=True)
class Repack:
    """Builds a new sample, which holds only what `structure` names.

    Attributes:
      structure: nested dict of the result's shape; each leaf is the path of its source in the sample, with levels joined by
        "/". Dots are plain letters (`observation.images.cam_high`).
    """

    structure: Mapping[str, Any]

    def __call__(self, data: dict) -> dict:
        """Raises MissingKeyError (a KeyError) if the sample lacks a source."""
        return self._pick(self.structure, tree_paths.flatten_dict(data))

    def _pick(self, structure: Mapping[str, Any], flat: dict[str, Any]) -> dict:
        picked = {}
        for name, source in structure.items():
            if isinstance(source, Mapping):
                picked[name] = self._pick(source, flat)
            elif source in flat:
                picked[name] = flat[source]
            else:
                from_task = source == "prompt" and "task" in flat
                change = "set config.data.prompt_from_task, or change" if from_task else "change"
                raise MissingKeyError(
                    f"key '{source}' (wanted as '{name}') is not in the sample, which has: {', '.join(sorted(flat))};"
                    f" {change} config.data.repack or the dataset"
                )
        return picked
