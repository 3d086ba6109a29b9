"""Shows results, of this program or another: a table, and a page if wanted.

    bazel run //openpi/evaluate:show -- data/libero/results.json --html=libero.html

Several files stand below each other. What is read: see openpi/evaluate/results.py.
"""

import pathlib

from absl import flags

from openpi.cli import program
from openpi.evaluate import page, report, results

_HTML = flags.DEFINE_string("html", None, "File for a page that opens without a server.")


def main(paths: list[str]) -> None:
    """Reads, prints, writes."""
    read = [results.read(path) for path in paths]
    rows = [row for each in read for row in report.rows(each.episodes)]
    print(report.table(rows))
    if _HTML.value:
        facts = {f"{each.source}: {name}": value for each in read for name, value in each.conditions.items()}
        title = ", ".join(dict.fromkeys(row.policy for row in rows))
        report.write_text(pathlib.Path(_HTML.value), page.render(rows, title=title, facts=facts))
        print(f"wrote {_HTML.value}")


if __name__ == "__main__":
    program.run(main, name="show", positional="RESULTS...")
