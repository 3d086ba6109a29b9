"""The files of an evaluation."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from openpi.evaluate import episode, film, page, report
from openpi.sims.aloha import environment


@dataclasses.dataclass(frozen=True)
class Files:
    """Where they stand."""

    json: pathlib.Path
    journal: pathlib.Path
    html: pathlib.Path
    films: pathlib.Path

    @classmethod
    def beside(cls, json: pathlib.Path) -> "Files":
        """All beside the file of results, with its name."""
        return cls(
            json=json,
            journal=json.with_name(f"{json.stem}.jsonl"),
            html=json.with_name(f"{json.stem}.html"),
            films=json.with_name(f"{json.stem}_films"),
        )


def write(
    files: Files,
    episodes: Sequence[episode.Episode],
    *,
    told: Mapping[str, Any],
    conditions: Mapping[str, Any],
    compared: Mapping[str, Any] | None,
    pictures: pathlib.Path,
    num_films: int,
) -> list[pathlib.Path]:
    """Writes results, page and pictures, and returns what was written.

    Args:
      files: where.
      episodes: of the evaluation; the films are of the first policy's.
      told: further entries of the JSON, `versions` among them.
      conditions: under which they were played.
      compared: of `comparison.between`, if they were compared.
      pictures: folder for all films as one, and their strip.
      num_films: episodes of each task whose films are shown.
    """
    rows = report.rows(episodes)
    more = {} if compared is None else {"comparison": dict(compared)}
    report.write_json(files.json, report.to_json(rows, conditions=conditions, **told, **more))
    films = {
        each.key: path
        for each in episodes
        if each.policy == episodes[0].policy
        and each.episode < num_films
        and (path := film.path(files.films, each.task, each.episode)).is_file()
    }
    title = f"{rows[0].policy}: {', '.join(dict.fromkeys(row.task for row in rows))}"
    report.write_text(
        files.html,
        page.render(rows, title=title, facts={**conditions, **told["versions"]}, films=films, compared=compared),
    )
    written = [files.json, files.html]
    if films:
        shown = [film.read_mp4(path, fps=environment.POLICY_HZ) for path in films.values()]
        marks = [each.success for each in episodes if each.key in films]
        film.write_mp4(pictures / "episodes.mp4", shown, marks, fps=environment.POLICY_HZ)
        film.write_strip(pictures / "episodes.png", shown, marks)
        written += [pictures / "episodes.mp4", pictures / "episodes.png"]
    return written
