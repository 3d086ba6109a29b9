"""Results as one HTML file that opens without a server: style, charts and films are within it."""

import base64
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from openpi.evaluate import comparison, episode, report, wilson

_TYPE = "video/mp4"
# Nothing is fetched, and nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:"
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: .6em 0 }
th, td { text-align: left; padding: .15em .9em .15em 0; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
svg { display: block; max-width: 100%; height: auto }
svg text { font: 13px system-ui, sans-serif; fill: #222 }
.track { fill: #eee } .bar { fill: #4a86c5 } .interval { stroke: #222; stroke-width: 1.5 }
.yes { color: #177a3c } .no { color: #b3261e }
figure { display: inline-block; margin: 0 1em 1em 0 } figcaption { font-size: 13px }
summary { cursor: pointer; margin: .4em 0 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1b } th, td { border-color: #444 }
 svg text { fill: #ddd } .track { fill: #333 } .interval { stroke: #ddd } .yes { color: #6fcf8f } .no { color: #f28b82 } }
"""
_LABEL, _BAR, _LINE, _WIDTH = 280, 380, 26, 860  # of a chart, in its own units


def render(
    rows: Sequence[report.Row],
    *,
    title: str,
    facts: Mapping[str, Any],
    films: Mapping[tuple[str, str, int], pathlib.Path] | None = None,
    compared: Mapping[str, Any] | None = None,
) -> str:
    """Returns the page.

    Args:
      rows: of results.
      title: what was evaluated.
      facts: conditions, by name.
      films: mp4 files by policy, task and episode; they are copied into the page.
      compared: of `comparison.between`.
    """
    html = ElementTree.Element("html", lang="en")
    head, body = ElementTree.SubElement(html, "head"), ElementTree.SubElement(html, "body")
    ElementTree.SubElement(head, "meta", charset="utf-8")
    ElementTree.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    _add(head, "title", title)
    _add(head, "style", _STYLE)
    _add(body, "h1", title)
    for task in dict.fromkeys(row.task for row in rows):
        _add(body, "h2", task)
        _draw(body, [row for row in rows if row.task == task])
    _add(body, "p", "Bars: share of episodes that succeeded; lines: its 95 % interval (Wilson).")
    if compared:
        _compare(body, compared)
    _show_films(body, rows, films or {})
    _add(body, "h2", "Episodes")
    for row in rows:
        _list_episodes(body, row)
    _add(body, "h2", "Conditions")
    _tabulate(body, ["", ""], [[name, str(value)] for name, value in facts.items() if value is not None])
    return "<!doctype html>\n" + ElementTree.tostring(html, encoding="unicode", method="html") + "\n"


def _add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, {name.rstrip("_"): value for name, value in attributes.items()})
    element.text = text
    return element


def _draw(parent: ElementTree.Element, rows: Sequence[report.Row]) -> None:
    """A bar a policy, with its interval."""
    svg = _add(parent, "svg", viewBox=f"0 0 {_WIDTH} {_LINE * len(rows)}", role="img")
    svg.set("aria-label", f"success rates of {rows[0].task}")
    for place, row in enumerate(rows):
        successes, trials = row.successes(None), len(row.episodes)
        low, high = wilson.interval(successes, trials)
        top, middle = place * _LINE, place * _LINE + _LINE / 2
        label = _add(svg, "text", _shortened(row.policy), x="0", y=f"{middle + 5:g}")
        _add(label, "title", row.policy)
        bar = {"x": str(_LABEL), "y": f"{top + 4:g}", "height": f"{_LINE - 8:g}"}
        _add(svg, "rect", class_="track", width=str(_BAR), **bar)
        _add(svg, "rect", class_="bar", width=f"{_BAR * successes / trials:.1f}", **bar)
        ends = {"x1": f"{_LABEL + _BAR * low:.1f}", "x2": f"{_LABEL + _BAR * high:.1f}"}
        _add(svg, "line", class_="interval", y1=f"{middle:g}", y2=f"{middle:g}", **ends)
        for x in ends.values():
            _add(svg, "line", class_="interval", x1=x, x2=x, y1=f"{middle - 5:g}", y2=f"{middle + 5:g}")
        text = f"{100 * successes / trials:.0f} % ({100 * low:.0f}-{100 * high:.0f}), {successes} of {trials}"
        _add(svg, "text", text, x=str(_LABEL + _BAR + 12), y=f"{middle + 5:g}")


def _shortened(name: str, longest: int = 38) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _compare(parent: ElementTree.Element, compared: Mapping[str, Any]) -> None:
    _add(parent, "h2", "Comparison")
    for letter, which in comparison.NAMES:
        _add(parent, "p", f"{letter}: {compared[which]['policy']} ({compared[which]['source']})")
    _tabulate(parent, comparison.HEAD, [comparison.cells(row) for row in compared["rows"]])
    _add(parent, "p", f"{comparison.LEGEND}.")


def _show_films(
    parent: ElementTree.Element, rows: Sequence[report.Row], films: Mapping[tuple[str, str, int], pathlib.Path]
) -> None:
    shown = [each for row in rows for each in row.episodes if each.key in films]
    if shown:
        _add(parent, "h2", "Films")
    for each in shown:
        figure = _add(parent, "figure")
        data = base64.b64encode(films[each.key].read_bytes()).decode("ascii")
        _add(figure, "video", controls="", muted="", loop="", src=f"data:{_TYPE};base64,{data}")
        caption = _add(figure, "figcaption", f"{each.policy}, {each.task} {each.episode}: ")
        _mark(caption, each)


def _mark(parent: ElementTree.Element, each: episode.Episode) -> None:
    text = "success" if each.success else "failure" if each.complete else "failure, broke off"
    _add(parent, "span", text, class_="yes" if each.success else "no")


def _list_episodes(parent: ElementTree.Element, row: report.Row) -> None:
    details = _add(parent, "details")
    _add(details, "summary", f"{row.policy}, {row.task}: {row.successes(None)} of {len(row.episodes)}")
    table = _add(details, "table")
    _line(table, "th", ["episode", "result", "steps", "seconds", "final distance"])
    for each in row.episodes:
        distance = "" if each.distance is None else f"{100 * each.distance:.1f} cm"
        line = _line(table, "td", [str(each.episode), "", str(each.steps), f"{each.seconds:.2f}", distance])
        _mark(line[1], each)


def _tabulate(parent: ElementTree.Element, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    table = _add(parent, "table")
    if any(head):
        _line(table, "th", head)
    for cells in lines:
        _line(table, "td", cells)


def _line(table: ElementTree.Element, tag: str, cells: Sequence[str]) -> ElementTree.Element:
    line = _add(table, "tr")
    for cell in cells:
        _add(line, tag, cell)
    return line
