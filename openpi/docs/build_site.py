"""Makes the site of the documentation, as one archive: `tools/bazel build //openpi/docs:site`.

    build_site --config=mkdocs.yml --output=site.tar PAGE...

Pages and pictures keep their places in the repository, so that links between them are the same here and there. Anything that
MkDocs warns of (a link or an anchor to nowhere, a page that the navigation leaves out) ends the program.
"""

import argparse
import logging
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile

from mkdocs import config as mkdocs_config
from mkdocs import exceptions
from mkdocs.commands import build

_GENERATED = re.compile(r"^bazel-out/[^/]+/bin/")  # where Bazel puts what a rule made


def make(config: pathlib.Path, pages: list[pathlib.Path], output: pathlib.Path) -> None:
    """Writes the site of the pages, whose paths are relative to the repository's root, to a tar file.

    Raises:
        mkdocs.exceptions.Abort: MkDocs warned of something.
    """
    with tempfile.TemporaryDirectory() as scratch:
        docs, site = pathlib.Path(scratch, "docs"), pathlib.Path(scratch, "site")
        for page in pages:
            place = docs / _GENERATED.sub("", page.as_posix())
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, place)
        options = mkdocs_config.load_config(str(config), docs_dir=str(docs), site_dir=str(site), strict=True)
        build.build(options)
        _pack(site, output)


def _pack(site: pathlib.Path, output: pathlib.Path) -> None:
    """The same bytes for the same files, whenever they were written, and whoever did."""
    with tarfile.open(output, "w") as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file() and path.suffix not in (".gz", ".map")):
            entry = tarfile.TarInfo(path.relative_to(site).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Makes the site of the documentation.")
    parser.add_argument("--config", type=pathlib.Path, required=True, help="mkdocs.yml")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the archive to write")
    parser.add_argument("pages", type=pathlib.Path, nargs="+", help="pages and pictures, relative to the root")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        make(options.config, options.pages, options.output)
    except exceptions.MkDocsException as error:
        print(f"build_site: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
