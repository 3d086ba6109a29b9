"""What training reads, and what its checkpoints carry along of that."""

import dataclasses
import pathlib

import jax

from openpi.checkpoints import layout
from openpi.config import build_model, build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import fake
from openpi.tokenizers import fast_codec_files
from openpi.trainer import codec_source, data_source, norm_stats_source, validation_data
from openpi.transforms import transform as transform_lib


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What is trained on, and validated on.

    Attributes:
      dataset: without the episodes that are held out.
      transform: of its items into model inputs.
      assets: a checkpoint's: file name -> content.
      held_out: the other episodes; None where nothing is validated.
    """

    dataset: dataset_lib.Dataset
    transform: transform_lib.Transform
    assets: dict[str, bytes]
    held_out: validation_data.HeldOut | None = None


def open_data(config: schema.ConfigDict) -> TrainingData:
    """Opens what `config.data` names, with its statistics and action codec; makes them first where the configuration says so.

    The statistics are those of all episodes, as //openpi/norm_stats computes them.

    Raises:
      FileNotFoundError: the dataset, the statistics or the codec are missing.
      OSError: something cannot be fetched.
      ValueError: they and the configuration don't fit one another.
    """
    if config.data.kind == "fake":
        return TrainingData(fake.FakeDataset(_inputs_spec(config)), dict, {})
    dataset = data_source.open_dataset(config)
    stats = norm_stats_source.load_or_compute(config, dataset)
    codec_dir = codec_source.find_or_train(config, dataset, stats)
    transforms = build_transforms.build(config, codec_dir)
    tasks = data_source.tasks(config, dataset)
    trained, rest = validation_data.split(config, dataset)
    held_out = None if rest is None else validation_data.held_out(config, rest, transforms, stats, tasks)
    return TrainingData(trained, transforms.training(stats, tasks), _assets(config, codec_dir), held_out)


def _inputs_spec(config: schema.ConfigDict) -> dict:
    """Shapes and dtypes of one sample as the model takes it."""
    observation, actions = build_model.build(config.model).inputs_spec()
    batch = {key: value for key, value in observation.to_dict().items() if value is not None} | {"actions": actions}
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), batch)


def _assets(config: schema.ConfigDict, codec_dir: pathlib.Path | None) -> dict[str, bytes]:
    """So that a checkpoint can be served alone."""
    stats = norm_stats_source.directory(config) / "norm_stats.json"
    assets = {f"{build_transforms.asset_id(config)}/norm_stats.json": stats.read_bytes()}
    if codec_dir is not None:
        files = fast_codec_files.contents(fast_codec_files.load(codec_dir))
        assets |= {f"{layout.ACTION_CODEC}/{name}": text.encode() for name, text in files.items()}
    return assets
