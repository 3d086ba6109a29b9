import av
import numpy as np
from PIL import Image

from openpi.evaluate import film

_H, _W = 40, 48


def _play(reel, num_frames, value):
    reel.on_episode_start()
    for _ in range(num_frames):
        reel.on_step({"images": {"cam_high": np.full((3, _H, _W), value, np.uint8)}}, {})
    reel.on_episode_end()


def test_keeps_the_first_episodes_only():
    reel = film.Film(2)
    for number in range(3):
        _play(reel, 5 + number, number)
    assert [frames.shape for frames in reel.episodes] == [(5, _H, _W, 3), (6, _H, _W, 3)]
    nothing = film.Film(0)
    _play(nothing, 3, 0)
    assert nothing.episodes == []


def test_a_border_tells_success_and_leaves_the_picture():
    frame = np.full((_H, _W, 3), 7, np.uint8)
    good, bad = film.mark(frame, success=True), film.mark(frame, success=False)
    assert good[0, 0, 1] > good[0, 0, 0]  # Green.
    assert bad[0, 0, 0] > bad[0, 0, 1]  # Red.
    for marked in (good, bad):
        np.testing.assert_array_equal(marked[5:-5, 5:-5], 7)
    assert (frame == 7).all()


def test_mp4_plays_all_frames_at_the_speed_they_ran(tmp_path):
    episodes = [np.full((10, _H, _W, 3), 60, np.uint8), np.full((4, _H, _W, 3), 180, np.uint8)]
    film.write_mp4(tmp_path / "new" / "episodes.mp4", episodes, [True, False], fps=10)
    with av.open(str(tmp_path / "new" / "episodes.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 10
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 10 + 5 + 4 + 5  # Half a second is held after each.
    centres = [int(frame[_H // 2, _W // 2].mean()) for frame in frames]
    np.testing.assert_allclose(centres, [60] * 15 + [180] * 9, atol=6)


def test_strip_shows_start_to_end_of_each_episode(tmp_path):
    episode = np.arange(11, dtype=np.uint8)[:, None, None, None] * np.full((1, _H, _W, 3), 10, np.uint8)
    film.write_strip(tmp_path / "strip.png", [episode, episode], [True, False], columns=3)
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    assert strip.shape == (2 * _H + 4, 3 * _W + 8, 3)
    for row in range(2):
        centre = strip[row * (_H + 4) + _H // 2, :, 0]
        assert [centre[column * (_W + 4) + _W // 2] for column in range(3)] == [0, 50, 100]


def test_a_film_of_one_episode_is_read_without_its_mark(tmp_path):
    path = film.path(tmp_path / "films", "Pick: up", 1)
    assert path.name == "pick_up_0001.mp4"
    film.write_mp4(path, [np.full((6, _H, _W, 3), 60, np.uint8)], [True], fps=10)
    frames = film.read_mp4(path, fps=10)
    assert frames.shape == (6, _H, _W, 3)
    np.testing.assert_allclose(frames.astype(int), 60, atol=6)
