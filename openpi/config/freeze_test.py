import re

import pytest

from openpi.config import freeze, schema

LANGUAGE = "PaliGemma/llm/layers/attn/q_einsum"
EXPERT = "PaliGemma/llm/layers/attn/q_einsum_1"
IMAGE = "PaliGemma/img/Transformer/encoderblock/LayerNorm_1/scale"
LORA = {"language": "small_lora"}


@pytest.mark.parametrize(
    ("model", "frozen"),
    [
        (schema.pi0_model(), set()),
        (schema.pi0_model(**LORA), {f"{LANGUAGE}/w"}),
        (schema.pi0_model(expert="small_lora"), {f"{EXPERT}/w"}),
        (schema.pi05_model(**LORA, expert="small_lora"), {f"{LANGUAGE}/w", f"{EXPERT}/w"}),
        (schema.pi0_fast_model(), set()),
        (schema.pi0_fast_model(**LORA), {f"{LANGUAGE}/w", f"{EXPERT}/w"}),
    ],
)
def test_what_it_matches(model, frozen):
    paths = {f"{part}/{leaf}" for part in (LANGUAGE, EXPERT) for leaf in ("w", "lora_a", "lora_b")}
    paths |= {IMAGE, "action_in_proj/kernel"}
    pattern = freeze.lora_filter(model)
    assert {path for path in paths if pattern and re.fullmatch(pattern, path)} == frozen
