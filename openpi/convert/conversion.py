"""Writes raw recordings as one LeRobot dataset: what all converters share, their flags included."""

import contextlib
import dataclasses
import glob
import pathlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tqdm
from absl import flags

from openpi.convert import episode as episode_lib
from openpi.data.lerobot import writer as lerobot_writer

flags.disclaim_key_flags()  # --help lists the flags below under the program that asked for them

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the user decides about the new dataset. `push_to_hub` is a repository, or empty."""

    output: pathlib.Path
    version: str = "v3.0"
    images: str = "video"
    codec: str = "h264"
    skip_bad_episodes: bool = False
    push_to_hub: str = ""
    private: bool = False


def define_flags() -> Callable[[], Options]:
    """Defines the flags of `Options` for the calling program, and returns what reads them once they are parsed."""
    output = flags.DEFINE_string("output", None, "Folder of the new dataset; must not exist yet.")
    version = flags.DEFINE_enum("version", "v3.0", ["v3.0", "v2.1"], "The LeRobot format to write.")
    images = flags.DEFINE_enum("images", "video", ["video", "image"], "Cameras as video, or PNG inside the tables.")
    codec = flags.DEFINE_enum("codec", "h264", ["h264", "hevc", "av1"], "Of video: later ones are smaller and slower.")
    skip = flags.DEFINE_bool("skip_bad_episodes", False, "Leave out recordings that are damaged, and say so.")
    push = flags.DEFINE_string("push_to_hub", "", "OWNER/NAME on the Hugging Face Hub: also upload the dataset there.")
    private = flags.DEFINE_bool("private", False, "With --push_to_hub: only you can see it.")

    def options() -> Options:
        if not output.value:
            raise ValueError("where to? give --output=FOLDER")
        return Options(
            output=pathlib.Path(output.value).expanduser().absolute(),
            version=version.value,
            images=images.value,
            codec=codec.value,
            skip_bad_episodes=skip.value,
            push_to_hub=push.value,
            private=private.value,
        )

    return options


def run(
    sources: Sequence[_T],
    opened: Callable[[_T], contextlib.AbstractContextManager[episode_lib.Episode]],
    options: Options,
    *,
    fps: float,
    robot_type: str,
    tags: Sequence[str] = (),
) -> None:
    """Converts, prints a summary, and uploads if asked; `tags` are for the dataset's page. See `convert`.

    SIGTERM ends the program as Ctrl-C does: what was written so far is removed.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if options.push_to_hub:
        from openpi.data import hub_push  # only here: the Hub's library takes a while to import

        hub_push.check_login(options.push_to_hub)  # before the work, not after it
    print(convert(sources, opened, options, fps=fps, robot_type=robot_type), flush=True)
    if options.push_to_hub:
        try:
            url = hub_push.push(options.output, options.push_to_hub, private=options.private, tags=tags)
        except OSError as error:
            raise OSError(
                f"{error}; the dataset is converted, so only upload it: bazel run //openpi/datasets:push -- "
                f"{options.push_to_hub} --root={options.output}"
            ) from error
        print(url, flush=True)


def convert(
    sources: Sequence[_T],
    opened: Callable[[_T], contextlib.AbstractContextManager[episode_lib.Episode]],
    options: Options,
    *,
    fps: float,
    robot_type: str,
) -> str:
    """Converts the recordings in order, with a progress bar on a terminal. The output is a whole dataset, or nothing.

    Args:
      sources: the recordings, as `opened` takes them and error messages show them.
      opened: opens one.
      options: what the user decided; the Hub is not this function's business.
      fps: frames per second of all recordings.
      robot_type: for the dataset's description.

    Returns:
      What was written, in a line.

    Raises:
      BadEpisodeError: a recording is damaged, and not `skip_bad_episodes`; or all are.
      FileExistsError: there is something at the output.
      OSError: it cannot be written.
    """
    if options.output.exists():
        raise FileExistsError(f"{options.output} exists already: remove it, or give another --output")
    for left in sorted(options.output.parent.glob(f".{glob.escape(options.output.name)}.partial-*")):
        print(
            f"{left} is of a conversion that was killed, unless one is running: remove it", file=sys.stderr, flush=True
        )
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(
            tqdm.tqdm(sources, desc="converting", unit="episode", disable=not sys.stderr.isatty())
        )
        work = _Work(options, fps, robot_type, stack)
        for source in progress:
            try:
                with opened(source) as episode:
                    work.add(source, episode)
            except episode_lib.BadEpisodeError as error:
                if not options.skip_bad_episodes:
                    raise
                work.skip(error)
        if not work.saved:
            raise episode_lib.BadEpisodeError(
                f"none of {len(sources)} recordings can be converted; the last: {work.last_error}"
            )
    size = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    skipped = f", {work.skipped} skipped" if work.skipped else ""
    return f"{work.saved} episodes, {work.num_frames} frames{skipped}, {size / 2**20:.1f} MiB in {options.output}"


class _Work:
    """The dataset while it is written: the first good recording decides its features."""

    def __init__(self, options: Options, fps: float, robot_type: str, stack: contextlib.ExitStack) -> None:
        self._options, self._fps, self._robot_type, self._stack = options, fps, robot_type, stack
        self._writer: lerobot_writer.LeRobotWriter | None = None
        self._features: Any = None
        self.saved = self.skipped = self.num_frames = 0
        self.last_error: episode_lib.BadEpisodeError | None = None

    def add(self, source: object, episode: episode_lib.Episode) -> None:
        if self._writer is None:
            self._features = episode.features
            self._writer = self._stack.enter_context(self._begin(episode))
        elif episode.features != self._features:
            raise episode_lib.BadEpisodeError(f"{source}: {_difference(episode.features, self._features)}")
        for frame in episode.frames():
            self._writer.add_frame(frame)
        self._writer.save_episode(episode.task)
        self.saved += 1
        self.num_frames += episode.num_frames

    def skip(self, error: episode_lib.BadEpisodeError) -> None:
        self.skipped += 1
        self.last_error = error
        tqdm.tqdm.write(f"skipped: {error}", file=sys.stderr)
        if self._writer is not None:
            self._writer.discard_episode()

    def _begin(self, episode: episode_lib.Episode) -> lerobot_writer.LeRobotWriter:
        features = {
            key: feature | {"dtype": self._options.images if feature["dtype"] == "image" else feature["dtype"]}
            for key, feature in episode.features.items()
        }
        return lerobot_writer.LeRobotWriter(
            self._options.output,
            self._fps,
            features,
            version=self._options.version,
            robot_type=self._robot_type,
            codec=self._options.codec,
        )


def _difference(features: Any, first: Any) -> str:
    if missing := sorted(first.keys() - features.keys()):
        return f"it has no {', '.join(missing)}, which the first recording has"
    if extra := sorted(features.keys() - first.keys()):
        return f"it has {', '.join(extra)}, which the first recording does not have"
    key = next(key for key in first if features[key] != first[key])
    return (
        f"{key} is {features[key]['dtype']} {features[key]['shape']}, and in the first recording {first[key]['shape']}"
    )
