"""Fetches files and folders by URL, and prints where they are on this machine.

    bazel run //openpi/checkpoints/assets:fetch -- gs://openpi-assets/checkpoints/pi0_base

takes gs://, hf:// and https:// (and paths of this machine). Ctrl-C keeps what was downloaded; the same command goes on from
there.
"""

import logging

from absl import flags

from openpi.checkpoints.assets import asset_store
from openpi.cli import program

_OFFLINE = flags.DEFINE_bool("offline", False, "Never use the network: fail if it is not complete here.")
_FORCE = flags.DEFINE_bool("force", False, "Download it even if it is complete here.")


def main(urls: list[str]) -> None:
    """Fetches one after the other."""
    logging.getLogger("openpi").setLevel(logging.INFO)
    for url in urls:
        print(asset_store.fetch(url, offline=_OFFLINE.value, force=_FORCE.value), flush=True)


if __name__ == "__main__":
    program.run(main, name="fetch", positional="URL...", interrupted="stopped by Ctrl-C; run the same command to go on")
