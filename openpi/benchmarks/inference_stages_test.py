import dataclasses

import numpy as np
import PIL.Image

from openpi.benchmarks import inference_stages, roofline, sampling
from openpi.models import gemma, pi0, siglip


def test_every_stage_is_measured_and_drawn(tmp_path):
    config = pi0.Pi0Config(
        siglip=siglip.SiglipConfig(8, 1, 16, 2, (14, 14), "sincos2d", "lecun"),
        language=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
        expert=gemma.GemmaConfig(8, 2, 16, 2, 1, 4),
        vocab_size=50,
        dtype="float32",
        image_resolution=(28, 28),
        **sampling.KINDS["pi05"],
    )
    best = roofline.Roofline(1e12, 1e10)
    few, many = (
        inference_stages.measure(config, sampling.Sampling(config, steps), best, cameras=2, batch_size=2)
        for steps in (2, 6)
    )
    assert tuple(few) == inference_stages.STAGES
    assert few["denoise"].operations * 3 == many["denoise"].operations > 0
    assert few["denoise"].bytes * 3 == many["denoise"].bytes > 0
    # 2 rows of 2 cameras of 4 patches: 1 layer's 4 products of D x D and 2 of D x 16, the attention, patches, head.
    tokens, width = 16, 8
    layer = 2 * tokens * (4 * width * width + 2 * width * 16) + 2 * 2 * 4 * tokens * width
    patches_and_head = 2 * tokens * (14 * 14 * 3 * width + width * width)
    assert few["image tower"].operations == layer + patches_and_head
    assert all(0 < few[name].roofline <= 1 for name in ("image tower", "denoise"))
    assert few["upload"].bytes > 2 * 2 * 28 * 28 * 3

    cases = [
        {"name": name, "stages": {stage: dataclasses.asdict(each) for stage, each in stages.items()}}
        for name, stages in (("few", few), ("many", many))
    ]
    inference_stages.draw(tmp_path / "stages.png", cases, "title")
    assert np.asarray(PIL.Image.open(tmp_path / "stages.png")).std() > 0


def test_the_roofline_is_what_limits():
    assert roofline.Roofline(100, 10).seconds(200, 5) == 2
    assert roofline.Roofline(100, 10).seconds(50, 5) == 0.5
    measured = roofline.measure("float32", size=128)
    assert 1e8 < measured.operations < 1e15
    assert 1e7 < measured.bytes < 1e14
