"""Fetches files and folders by URL, and prints where they are on this machine.

    bazel run //openpi/checkpoints/assets:fetch -- gs://openpi-assets/checkpoints/pi0_base

Ctrl-C keeps what was downloaded; the same command goes on from there.
"""

import argparse
import logging
import os
import pathlib
import sys

from openpi.checkpoints.assets import asset_store

_INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, 1 after an error of one line, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="fetch", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("urls", metavar="URL", nargs="+", help="gs://, hf://, https:// or a path of this machine")
    parser.add_argument("--offline", action="store_true", help="never use the network: fail if it is not complete here")
    parser.add_argument("--force", action="store_true", help="download it even if it is complete here")
    arguments = parser.parse_args(argv)
    # `bazel run` starts programs in its own tree; relative paths mean the directory that the user stands in.
    directory = os.environ.get("BUILD_WORKING_DIRECTORY")
    if directory and pathlib.Path(directory).is_dir():
        os.chdir(directory)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("openpi").setLevel(logging.INFO)
    try:
        for url in arguments.urls:
            print(asset_store.fetch(url, offline=arguments.offline, force=arguments.force), flush=True)
    except KeyboardInterrupt:
        print("fetch: stopped by Ctrl-C; run the same command to go on", file=sys.stderr)
        return _INTERRUPTED
    except (OSError, ValueError) as error:
        if os.environ.get("OPENPI_TRACEBACK") == "1":
            raise
        print(f"fetch: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
