import av
import numpy as np
from PIL import Image

from openpi.robots.droid import film

_LEFT, _WRIST = "observation/exterior_image_1_left", "observation/wrist_image_left"


def _observation(grey):
    return {_LEFT: np.full((64, 64, 3), grey, np.uint8), _WRIST: np.full((64, 64, 3), 255 - grey, np.uint8)}


def test_an_episode_is_a_video_and_its_first_views_a_picture(tmp_path):
    filmed = film.Film(tmp_path / "views.png")
    for name, start in (("a.mp4", 0), ("b.mp4", 100)):
        filmed.video = tmp_path / name
        filmed.on_episode_start()
        for step in range(12):
            filmed.on_step(_observation(start + 10 * step), {})
        filmed.on_episode_end()
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].average_rate == 10
            greys = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
        np.testing.assert_allclose(greys, start + 10 * np.arange(12), atol=4)
    views = np.asarray(Image.open(tmp_path / "views.png"))
    assert views.shape == (64, 128, 3)
    assert (views[:, :64] == 100).all()
    assert (views[:, 64:] == 155).all()


def test_an_episode_without_steps_leaves_no_file(tmp_path):
    filmed = film.Film(tmp_path / "views.png")
    filmed.video = tmp_path / "a.mp4"
    filmed.on_episode_start()
    filmed.on_episode_end()
    assert list(tmp_path.iterdir()) == []
