import pytest

from openpi.data.lerobot import json_text


def test_what_is_written_is_read(tmp_path):
    values = [{"task_index": 0, "task": "schieb den Würfel\u2028"}, {"a": [1, {"b": None}]}]
    json_text.write_lines(tmp_path / "x.jsonl", values)
    assert list(json_text.lines(tmp_path / "x.jsonl")) == values
    json_text.write(tmp_path / "x.json", values[0])
    assert json_text.load(tmp_path / "x.json") == values[0]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b'"text"', b'{"a":' * 100_000, b'{"n": 1' + b"0" * 9999 + b"}"]
)
def test_what_is_no_object_names_the_file(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json: ") as caught:
        json_text.load(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_lines_are_read_one_at_a_time_and_named(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n\n{"a": 2}\nnonsense\n')
    lines = json_text.lines(tmp_path / "x.jsonl")
    assert [next(lines), next(lines)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(ValueError, match=r"x\.jsonl, line 4: not valid JSON"):
        next(lines)


@pytest.mark.parametrize("value", [None, -1, 10, 1.0, True, "3", [3]])
def test_what_is_no_small_whole_number_is_named(value):
    assert json_text.whole_number({"length": 9}, "length", "here", limit=10) == 9
    with pytest.raises(ValueError, match="here: length is .*, and must be a whole number below 10"):
        json_text.whole_number({"length": value}, "length", "here", limit=10)
