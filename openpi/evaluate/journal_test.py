import json
import subprocess
import sys

import pytest

from openpi.evaluate import episode as episode_lib
from openpi.evaluate import journal

_CONDITIONS = {"seed": 0, "split": "test", "numpy": "2.0", "server": None, "shape": (1, 2)}


def _episode(index, policy="p", task="reach"):
    return episode_lib.Episode(
        policy=policy, task=task, episode=index, success=True, steps=index, seconds=0.1, distance=0.1 + index
    )


def _write(path, count, **options):
    with journal.Journal(path, _CONDITIONS, **options) as kept:
        for index in range(count):
            kept.add(_episode(index))


def test_what_was_kept_is_there_again(tmp_path):
    path = tmp_path / "deep" / "results.jsonl"
    _write(path, 3)
    with journal.Journal(path, _CONDITIONS) as kept:
        assert list(kept.episodes.values()) == [_episode(0), _episode(1), _episode(2)]
        kept.add(_episode(7, task="pick"))
    with journal.Journal(path, _CONDITIONS) as kept:
        assert [key[2] for key in kept.episodes] == [0, 1, 2, 7]
    _write(path, 1, overwrite=True)
    with journal.Journal(path, _CONDITIONS) as kept:
        assert list(kept.episodes) == [("p", "reach", 0)]


def test_a_kill_costs_the_line_it_tore_and_no_more(tmp_path):
    path = tmp_path / "results.jsonl"
    _write(path, 2)
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in sorted({*range(0, len(whole), 7), *ends, *(end - 1 for end in ends)}):
        path.write_bytes(whole[:size])
        with journal.Journal(path, _CONDITIONS) as kept:
            left = max(0, sum(end <= size for end in ends) - 1)
            assert [key[2] for key in kept.episodes] == list(range(left))
            for index in range(left, 2):
                kept.add(_episode(index))
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"seed": 1}, "holds episodes with seed 0, and now it is 1: set it back, .*--output_dir.*--overwrite"),
        ({"server": "x:1"}, "with server None, and now it is 'x:1'"),
        ({"new": 3}, "with new None, and now it is 3"),
    ],
)
def test_other_conditions_are_refused_and_named(tmp_path, changed, text):
    path = tmp_path / "results.jsonl"
    _write(path, 1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=text):
        journal.Journal(path, _CONDITIONS | changed)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "line 1 is no JSON"),
        ("[" * 100_000 + "\n", "line 1 is no JSON"),
        ("[]\n", "does not begin with an evaluation's conditions"),
        ('{"version": 2, "conditions": {}}\n', "does not begin with an evaluation's conditions"),
        ("{head}\n{}\n", "line 2: policy of an episode must be a name.*--overwrite"),
        ("{head}\n\n", "line 2 is no JSON"),
    ],
)
def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path, text, message):
    path = tmp_path / "results.jsonl"
    head = json.dumps({"version": 1, "conditions": _CONDITIONS})
    path.write_text(text.replace("{head}", head))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        journal.Journal(path, _CONDITIONS)
    assert path.read_bytes() == before


def test_one_process_writes_at_a_time(tmp_path):
    path = tmp_path / "results.jsonl"
    program = (
        "import sys; from openpi.evaluate import journal; import pathlib\n"
        "try: journal.Journal(pathlib.Path(sys.argv[1]), {}, overwrite=True)\n"
        "except RuntimeError as error: print(error)"
    )
    with journal.Journal(path, _CONDITIONS) as kept:
        kept.add(_episode(0))
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.path[:] = sys.argv[2:]\n" + program, path, *sys.path],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "is being written by another evaluation" in done.stdout
        kept.add(_episode(1))
    with journal.Journal(path, _CONDITIONS) as kept:
        assert len(kept.episodes) == 2
