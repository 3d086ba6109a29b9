import pytest

from openpi.checkpoints.assets import address


@pytest.mark.parametrize(
    ("url", "store", "key"),
    [
        ("gs://openpi-assets/checkpoints/pi0_base/", "gs", "openpi-assets/checkpoints/pi0_base"),
        ("gs://big_vision/paligemma_tokenizer.model", "gs", "big_vision/paligemma_tokenizer.model"),
        ("https://Host.example:80/a/b.c.txt#part", "http", "host.example:80/a/b.c.txt"),
        ("http://host.example/a%2Fb", "http", "http/host.example/a%2Fb"),
        ("http://[::1]:80/a", "http", "http/[::1]:80/a"),
        ("hf://owner/repo", "hf", "hf/owner/repo@main"),
        ("hf://owner/repo/", "hf", "hf/owner/repo@main"),
        ("hf://owner/repo@v1.0/a/b", "hf", "hf/owner/repo@v1.0/a/b"),
        ("hf://owner/repo@refs/pr/1/a", "hf", "hf/owner/repo@refs%2Fpr%2F1/a"),
        ("hf://owner/repo@refs%2Fpr%2F1", "hf", "hf/owner/repo@refs%2Fpr%2F1"),
        ("hf://datasets/owner/repo@v2/meta", "hf", "hf/datasets/owner/repo@v2/meta"),
    ],
)
def test_key(url, store, key):
    found = address.parse(url)
    assert (found.store, found.key) == (store, key)


def test_hugging_face():
    assert address.hugging_face("hf://datasets/owner/repo@refs/pr/1/a/b") == address.HuggingFacePath(
        kind="dataset", repo="owner/repo", revision="refs/pr/1", path="a/b"
    )
    assert address.hugging_face("hf://owner/repo").kind == "model"


def test_query_has_a_place_of_its_own_and_is_not_shown():
    found = [address.parse(f"https://host/w.bin{query}") for query in ("", "?token=secret", "?token=other")]
    assert len({each.key for each in found}) == 3
    assert {each.name for each in found} == {"https://host/w.bin"}
    assert found[1].url == "https://host/w.bin?token=secret"
    for each in found:
        assert each.key.startswith("host/w")
        assert each.key.endswith(".bin")
        assert "secret" not in each.key


@pytest.mark.parametrize("path", ["/abs/path", "relative/path", "~/x", "C:\\x", ""])
def test_local(path):
    assert address.parse(path) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/x", "scheme 's3' is unknown"),
        ("gs://bucket", "names a whole bucket"),
        ("gs://bucket/", "names a whole bucket"),
        ("gs://bucket/a/../b", "no safe relative path"),
        ("gs://../x", "no safe relative path"),
        ("gs://bucket//x", "no safe relative path"),
        ("gs://bucket/a\nb", "control characters"),
        ("gs://bucket/" + "x" * 300, "more than 255 bytes"),
        ("https://host", "no listing of folders"),
        ("https://host/folder/", "no listing of folders"),
        ("https://host/a/../b", "no safe relative path"),
        ("https:///x", "is no file"),
        ("https://user:secret@host/x", "netrc"),
        ("hf://repo", "names no repository"),
        ("hf://owner/repo/../x", "no safe relative path"),
        ("hf://../../x", "no safe relative path"),
    ],
)
def test_refused(url, message):
    with pytest.raises(ValueError, match=message) as error:
        address.parse(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
