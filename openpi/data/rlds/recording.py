"""Small RLDS datasets in the layout of TFDS, for tests of what reads them: values follow from episode and step."""

import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image

from openpi.data.rlds import example_proto, tfrecord

HEIGHT, WIDTH = 36, 64
VERSION = "1.0.1"
FEATURES = {  # path -> (kind, shape, dtype)
    "steps/observation/exterior_image_1_left": ("image", (HEIGHT, WIDTH, 3), "uint8"),
    "steps/observation/exterior_image_2_left": ("image", (HEIGHT, WIDTH, 3), "uint8"),
    "steps/observation/wrist_image_left": ("image", (HEIGHT, WIDTH, 3), "uint8"),
    "steps/observation/joint_position": ("tensor", (7,), "float64"),
    "steps/observation/gripper_position": ("tensor", (1,), "float64"),
    "steps/action_dict/joint_position": ("tensor", (7,), "float64"),
    "steps/action_dict/joint_velocity": ("tensor", (7,), "float64"),
    "steps/action_dict/gripper_position": ("tensor", (1,), "float64"),
    "steps/language_instruction": ("text",),
    "steps/language_instruction_2": ("text",),
    "steps/language_instruction_3": ("text",),
    "steps/is_first": ("tensor", (), "bool"),
    "episode_metadata/recording_folderpath": ("text",),
    "episode_metadata/file_path": ("text",),
}
Values = Mapping[str, Any]


def picture(episode: int, step: int, camera: int, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """uint8 [H, W, 3]: one colour, so that JPEG keeps it nearly."""
    colour = (40 * camera + 20, (30 * episode) % 256, (16 * step) % 256)
    return np.broadcast_to(np.array(colour, np.uint8), (*shape, 3))


def encode(image: np.ndarray, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(image)).save(out, format=kind)
    return out.getvalue()


def droid_episode(episode: int, length: int, *, success: bool = True, velocity: np.ndarray | None = None) -> Values:
    """An episode with the features of DROID; `velocity` [T, 7] in place of the one that always moves."""
    joints = np.arange(length)[:, None] * 0.01 + np.arange(7) + episode
    velocity = np.sin(joints * 10) if velocity is None else velocity
    cameras = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
    images = {
        f"steps/observation/{name}": [encode(picture(episode, t, c)) for t in range(length)]
        for c, name in enumerate(cameras)
    }
    texts = {
        f"steps/language_instruction{suffix}": [f"task {episode}{suffix}"] * length if suffix != "_3" else [""] * length
        for suffix in ("", "_2", "_3")
    }
    outcome = "success" if success else "failure"
    return (
        images
        | texts
        | {
            "steps/observation/joint_position": joints,
            "steps/observation/gripper_position": np.full((length, 1), 0.25),
            "steps/action_dict/joint_position": joints + 0.01,
            "steps/action_dict/joint_velocity": velocity,
            "steps/action_dict/gripper_position": np.linspace(0, 1, length)[:, None],
            "steps/is_first": np.arange(length) == 0,
            "episode_metadata/recording_folderpath": [f"/data/{outcome}/day/{episode}/recordings/MP4"],
            "episode_metadata/file_path": [f"/data/{outcome}/day/{episode}/trajectory.h5"],
        }
    )


def write(
    folder: pathlib.Path,
    episodes: Sequence[Values],
    *,
    num_files: int = 2,
    name: str = "droid_101",
    features: Mapping[str, tuple[Any, ...]] = FEATURES,
) -> pathlib.Path:
    """Writes a dataset to `folder` (<data_dir>/<name>/<version>) and returns it."""
    folder.mkdir(parents=True)
    shares = [list(share) for share in np.array_split(np.arange(len(episodes)), num_files)]
    for number, share in enumerate(shares):
        records = [example_proto.serialize(episodes[i]) for i in share]
        (folder / f"{name}-train.tfrecord-{number:05d}-of-{num_files:05d}").write_bytes(b"".join(map(frame, records)))
    split = {"name": "train", "shardLengths": [str(len(share)) for share in shares]}
    (folder / "dataset_info.json").write_text(json.dumps({"name": name, "fileFormat": "tfrecord", "splits": [split]}))
    (folder / "features.json").write_text(json.dumps(_describe(features)))
    return folder


def frame(data: bytes) -> bytes:
    """A record of a TFRecord file with this content."""
    length = tfrecord.LENGTH.pack(len(data))
    checksums = [tfrecord.CHECKSUM.pack(tfrecord.masked_checksum(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]


def _describe(features: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The nested description that TFDS writes; what lies below `steps` is a sequence."""
    root: dict[str, Any] = {}
    for path, feature in features.items():
        *parents, leaf = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = feature
    described = _nested(root)
    steps = described["featuresDict"]["features"]["steps"]
    described["featuresDict"]["features"]["steps"] = {"sequence": {"feature": steps, "length": "-1"}}
    return described


def _nested(node: dict[str, Any] | tuple[Any, ...]) -> dict[str, Any]:
    if isinstance(node, tuple):
        return _leaf(*node)
    return {"featuresDict": {"features": {key: _nested(child) for key, child in node.items()}}}


def _leaf(kind: str, shape: tuple[int, ...] = (), dtype: str = "") -> dict[str, Any]:
    if kind == "text":
        return {"text": {}}
    dimensions = {"dimensions": [str(size) for size in shape]} if shape else {}
    return {kind: {"shape": dimensions, "dtype": dtype, **({"encoding": "none"} if kind == "tensor" else {})}}
