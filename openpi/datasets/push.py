"""Uploads a LeRobot dataset to the Hugging Face Hub.

    bazel run //openpi/datasets:push -- OWNER/NAME --root=FOLDER

makes the repository if need be, writes a page that describes the dataset, and tags the version of its format, as LeRobot
expects. It takes the token of HF_TOKEN or of `hf auth login`. The dataset is checked first: one with episodes that cannot
be read is not uploaded.
"""

from absl import flags

from openpi.cli import program
from openpi.data import hub_push
from openpi.datasets import find

_ROOT = flags.DEFINE_string("root", None, "The dataset: a folder, or its name in the cache.")
_PRIVATE = flags.DEFINE_bool("private", False, "A new repository is one that only you can see.")
_TAGS = flags.DEFINE_list("tags", [], "Words to find it by, beside LeRobot.")
_LICENSE = flags.DEFINE_string("license", "apache-2.0", "For the dataset's page.")
_REVISION = flags.DEFINE_string("revision", "", "A branch to push to, made if need be; nothing is tagged then.")


def main(names: list[str]) -> None:
    """Uploads, and prints the address."""
    hub_push.check_login(names[0])
    url = hub_push.push(
        find.by_name(_ROOT.value),
        names[0],
        private=_PRIVATE.value,
        tags=_TAGS.value,
        license=_LICENSE.value,
        revision=_REVISION.value,
    )
    print(url, flush=True)


def _check() -> None:
    if not _ROOT.value:
        raise ValueError("what? give --root=FOLDER")


if __name__ == "__main__":
    program.run(main, name="push", positional="OWNER/NAME", check=_check, interrupted="stopped by Ctrl-C; run it again")
