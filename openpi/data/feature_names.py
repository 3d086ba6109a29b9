"""What a dataset calls the dimensions of its features."""

from openpi.data.lerobot import info as lerobot_info


def of(feature: lerobot_info.Feature) -> list[str]:
    """A name for every dimension of a vector, or for every axis of an image; none where the dataset gives none."""
    names = feature.names
    while isinstance(names, dict) and len(names) == 1:  # {"motors": [...]}, as older versions write
        names = next(iter(names.values()))
    return [str(name) for name in names] if isinstance(names, list | tuple) else []
