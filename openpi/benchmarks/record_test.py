import json
import sys

from absl import flags

from openpi.benchmarks import record


def test_a_file_holds_figures_and_conditions(tmp_path, monkeypatch):
    result = record.Record("speed", ["numpy"])
    arguments = ["--rounds=3", f"--json={tmp_path / 'a.json'}", "--commit=abc", "--note=quiet", "--lerobot=/somewhere"]
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    flags.DEFINE_integer("rounds", 1, "")
    flags.DEFINE_string("lerobot", None, "")
    flags.FLAGS(sys.argv)
    result.write({"figure": record.spread([1.0, 2.0, 4.0])}, device="cpu", unsaid=["lerobot"])
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["figure"] == {"min": 1.0, "median": 2.0, "p90": 3.6, "p99": 3.96, "max": 4.0, "n": 3}
    assert written["command"] == ["//openpi/benchmarks:speed", "--rounds=3"]
    assert (written["commit"], written["note"], written["machine"]["device"]) == ("abc", "quiet", "cpu")
    assert set(written["versions"]) == {"python", "numpy"}


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags.FLAGS.unparse_flags()
    for name in ("json", "commit", "note"):
        delattr(flags.FLAGS, name)
    result = record.Record("speed", [])
    flags.FLAGS(["program"])
    result.write({})
    assert not list(tmp_path.iterdir())
