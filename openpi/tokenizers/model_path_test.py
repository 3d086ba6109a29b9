import pytest

from openpi.tokenizers import model_path


def test_small_is_shipped():
    assert model_path.model_path("small").read_bytes().startswith(b"\n")


def test_a_file_is_itself(tmp_path):
    file = tmp_path / "some.model"
    file.touch()
    assert model_path.model_path(file) == file
    assert model_path.model_path(str(file)) == file


@pytest.mark.parametrize("name", ["", "missing.model"])
def test_a_missing_file_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"tokenizer model not found: .*config.tokenizer.path"):
        model_path.model_path(name)


def test_the_published_model_is_looked_for_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    expected = tmp_path / "big_vision" / "paligemma_tokenizer.model"
    name = "gs://big_vision/paligemma_tokenizer.model"
    with pytest.raises(FileNotFoundError) as caught:
        model_path.model_path(name)
    assert str(expected) in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)

    expected.parent.mkdir()
    expected.touch()
    assert model_path.model_path(name) == expected


def test_the_cache_is_under_home_by_default(monkeypatch):
    monkeypatch.delenv("OPENPI_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(FileNotFoundError, match="/nowhere/.cache/openpi/big_vision/x.model"):
        model_path.model_path("gs://big_vision/x.model")
