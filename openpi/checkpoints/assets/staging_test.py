import dataclasses

from openpi.checkpoints.assets import remote_file, staging

FILE = remote_file.RemoteFile(path="d/x", url="http://h/x", size=3, checksum="md5:0", version="1")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_part_is_of_one_content(tmp_path):
    stage = staging.Staging(tmp_path)
    assert stage.part(FILE) == stage.part(dataclasses.replace(FILE, url="http://mirror/x", headers={"a": "b"}))
    others = [{"path": "y"}, {"size": 4}, {"checksum": "md5:1"}, {"version": "2"}, {"validators": {"ETag": "1"}}]
    assert len({stage.part(dataclasses.replace(FILE, **change)) for change in [{}, *others]}) == 1 + len(others)


def test_places(tmp_path):
    stage = staging.Staging(tmp_path)
    assert stage.place(FILE) == tmp_path / "tree" / "d" / "x"
    assert stage.place(dataclasses.replace(FILE, path="")) == stage.tree
    assert staging.place(tmp_path, FILE) == tmp_path / "d" / "x"


def test_keeps_only_what_is_of_use(tmp_path):
    stage = staging.Staging(tmp_path)
    for path in (stage.place(FILE), stage.tree / "d" / "old", stage.tree / "gone" / "e" / "old", stage.part(FILE)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"abc")
    (tmp_path / "other.part").write_bytes(b"")
    stage.keep_only([FILE])
    assert names(tmp_path) == sorted([stage.part(FILE).name, "tree", "tree/d", "tree/d/x"])
    single = dataclasses.replace(FILE, path="")
    stage.keep_only([single])  # the store has a file now where there was a folder
    assert names(tmp_path) == []
    stage.tree.write_bytes(b"abc")
    stage.keep_only([single])
    assert names(tmp_path) == ["tree"]
    stage.keep_only([FILE])
    assert names(tmp_path) == []
