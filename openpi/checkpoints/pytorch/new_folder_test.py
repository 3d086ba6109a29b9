import pytest

from openpi.checkpoints.pytorch import new_folder


def make(target, overwrite=False, content="new"):
    with new_folder.create(target, overwrite=overwrite) as folder:
        assert not any(folder.iterdir())
        (folder / "config.json").write_text(content)
        assert content != "fail", "on purpose"


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_appears_whole(tmp_path):
    make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "config.json").read_text() == "new"
    assert names(tmp_path / "a") == ["b"]


def test_a_failure_leaves_what_was_there(tmp_path):
    with pytest.raises(AssertionError, match="on purpose"):
        make(tmp_path / "b", content="fail")
    assert names(tmp_path) == []
    make(tmp_path / "b", content="old")
    with pytest.raises(AssertionError, match="on purpose"):
        make(tmp_path / "b", overwrite=True, content="fail")
    assert names(tmp_path) == ["b"] and (tmp_path / "b" / "config.json").read_text() == "old"


def test_overwrite_replaces_a_checkpoint(tmp_path):
    make(tmp_path / "b", content="old")
    with pytest.raises(FileExistsError, match="b exists already; add --overwrite"):
        make(tmp_path / "b")
    make(tmp_path / "b", overwrite=True)
    assert names(tmp_path) == ["b"] and (tmp_path / "b" / "config.json").read_text() == "new"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda target: (target.mkdir(), (target / "thesis.tex").touch()), "holds 'thesis.tex', which is no part"),
        (lambda target: target.touch(), "is no folder"),
        (lambda target: target.symlink_to("elsewhere"), "is no folder"),
    ],
)
def test_overwrite_deletes_nothing_else(tmp_path, prepare, message):
    prepare(tmp_path / "b")
    with pytest.raises(FileExistsError, match=message):
        make(tmp_path / "b", overwrite=True)
    assert names(tmp_path) == ["b"]
