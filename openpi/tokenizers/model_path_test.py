import pathlib

import pytest

from openpi.tokenizers import model_path


def test_small_is_shipped():
    assert model_path.model_path("small").read_bytes().startswith(b"\n")


def test_a_file_is_itself(tmp_path, monkeypatch):
    file = tmp_path / "some.model"
    file.touch()
    assert model_path.model_path(file) == file
    assert model_path.model_path(str(file)) == file
    monkeypatch.setenv("HOME", str(tmp_path))
    assert model_path.model_path("~/some.model") == file


@pytest.mark.parametrize("name", ["", ".", "missing.model"])
def test_a_missing_file_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tokenizer model not found: .*config.tokenizer.path"):
        model_path.model_path(name)


@pytest.mark.parametrize(
    "name", ["gs://big_vision/paligemma_tokenizer.model", "hf://a/b.model", "https://host/x.model"]
)
def test_a_file_elsewhere_must_be_fetched_first(name):
    with pytest.raises(ValueError) as caught:
        model_path.model_path(name)
    assert str(caught.value) == (
        f"tokenizer model {name} is not a local file: fetch it first and give the path of the copy"
    )


def test_a_path_object_is_never_small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").touch()
    assert model_path.model_path("./small") == pathlib.Path("small")
