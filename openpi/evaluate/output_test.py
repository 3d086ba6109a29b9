import json

import numpy as np

from openpi.evaluate import episode, film, output, results


def _episode(policy, task, number, success=True):
    return episode.Episode(
        policy=policy, task=task, episode=number, success=success, steps=3, seconds=0.5, distance=0.1
    )


def _write(folder, episodes, **options):
    files = output.Files.beside(folder / "seed1.json")
    told = {"task": "x", "versions": {"numpy": "2"}}
    more = {"conditions": {"seed": 1}, "compared": None, "pictures": folder / "pictures", "num_films": 1} | options
    return files, output.write(files, episodes, told=told, **more)


def test_all_files_stand_beside_the_results_and_say_the_same(tmp_path):
    episodes = [_episode("p", "reach", 0), _episode("p", "reach", 1, success=False), _episode("other", "reach", 0)]
    files, written = _write(tmp_path, episodes)
    assert [path.name for path in written] == ["seed1.json", "seed1.html"]
    assert {path.name for path in tmp_path.iterdir()} == {"seed1.json", "seed1.html"}
    assert (files.journal.name, files.films.name) == ("seed1.jsonl", "seed1_films")
    read = results.read(files.json)
    assert (read.episodes, read.conditions) == (episodes, {"seed": 1})
    text = files.html.read_text()
    assert "50 % (9-91), 1 of 2" in text
    assert "<video" not in text


def test_films_of_the_first_policy_are_shown_in_the_page_and_as_one(tmp_path):
    episodes = [
        _episode(policy, task, number) for policy in ("p", "other") for task in ("reach", "pick") for number in (0, 1)
    ]
    files = output.Files.beside(tmp_path / "seed1.json")
    for each in episodes[:4]:
        path = film.path(files.films, each.task, each.episode)
        film.write_mp4(path, [np.full((5, 40, 48, 3), 90, np.uint8)], [True], fps=10)
    files, written = _write(tmp_path, episodes)
    assert [path.name for path in written[2:]] == ["episodes.mp4", "episodes.png"]
    assert files.html.read_text().count("<video") == 2  # an episode of each task
    assert len(film.read_mp4(tmp_path / "pictures" / "episodes.mp4", fps=10)) == 5 + 5 + 5
    assert _write(tmp_path, episodes, num_films=0)[1] == [files.json, files.html]


def test_a_comparison_is_in_the_json(tmp_path):
    compared = {"rows": [], "first": {"policy": "a", "source": "a"}, "second": {"policy": "b", "source": "b"}}
    files, _ = _write(tmp_path, [_episode("p", "reach", 0)], compared=compared)
    assert json.loads(files.json.read_text())["comparison"] == compared
