import pytest

from openpi.data.lerobot import path_template

FIELDS = ("chunk_index", "video_key")


def test_fields_are_filled_in():
    template = "videos/{video_key}/chunk-{chunk_index:03d}.mp4"
    path_template.check("video_path", template, FIELDS)
    assert path_template.fill(template, chunk_index=7, video_key="cam.left") == "videos/cam.left/chunk-007.mp4"


@pytest.mark.parametrize(
    "template",
    [
        None,
        3,
        "",
        ".",
        "/etc/{chunk_index}",
        "../{chunk_index}",
        "a/../../{chunk_index}",
        "a\0b",
        "{chunk_index",
        "}",
        "{}",
        "{0}",
        "{chunk_index.__class__}",
        "{chunk_index[0]}",
        "{chunk_index!r}",
        "{chunk_index:>{video_key}}",
        "{chunk_index:999999999d}",
        "{video_key:999999999}",
        "{episode_index}",
    ],
)
def test_any_other_template_is_refused(template):
    with pytest.raises(ValueError, match="data_path is ") as caught:
        path_template.check("data_path", template, FIELDS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["..", "../..", "a/../../.."])
def test_no_value_leads_out(key):
    with pytest.raises(ValueError, match="leads out of the dataset's folder"):
        path_template.fill("{video_key}/x", video_key=key)
