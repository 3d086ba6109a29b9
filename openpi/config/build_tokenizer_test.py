import shutil

import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.config import build_tokenizer, schema
from openpi.tokenizers import (
    binning,
    fast_codec_files,
    fast_codec_fit,
    fsq_config,
    fsq_network,
    sentencepiece_model,
)

HORIZON, DIM = 6, 4
_FSQ = {
    "embed_dim": 64,
    "data_dim": DIM,
    "data_horizon": HORIZON,
    "num_tokens": 3,
    "num_layers": 1,
    "target_codebook_size": 256,
}


def config(**tokenizer):
    result = schema.base_config("tokens")
    result.model = schema.pi0_fast_model(language="small", siglip="small/28")
    result.model.update(action_horizon=HORIZON, action_dim=DIM, max_token_len=96)
    result.tokenizer.update(path="small", vocab_size=2000, **tokenizer)
    return result


@pytest.fixture(scope="module")
def chunks():
    return np.cumsum(np.random.default_rng(0).normal(size=(50, HORIZON, DIM)), axis=1).astype(np.float32) / 6


@pytest.fixture(scope="module")
def codec_dir(tmp_path_factory, chunks):
    folder = tmp_path_factory.mktemp("codec") / "mine"
    fast_codec_files.save(fast_codec_fit.fit(chunks, vocab_size=512), folder)
    return folder


@pytest.fixture(scope="module")
def fsq_dir(tmp_path_factory):
    rng = np.random.default_rng(0)
    flat = {path: rng.normal(size=shape) / 4 for path, shape in fsq_config.FsqConfig(**_FSQ).shapes().items()}
    params = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        node = params
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = np.asarray(value, np.float32)
    folder = tmp_path_factory.mktemp("fsq") / "run"
    with ocp.CheckpointManager(folder, item_names=("params", "config")) as manager:
        manager.save(0, args=ocp.args.Composite(params=ocp.args.StandardSave(params), config=ocp.args.JsonSave(_FSQ)))
    return folder, params


def test_the_prompt_tokenizer_is_of_the_configurations_size():
    tokens, _ = build_tokenizer.prompt(config()).tokenize("reach the cube")
    assert tokens.shape == (96,)
    with pytest.raises(ValueError, match="has 2000 pieces, config.tokenizer.vocab_size is 1999"):
        wrong = config()
        wrong.tokenizer.vocab_size = 1999
        build_tokenizer.prompt(wrong)


def test_fast_reads_the_configurations_codec_or_the_checkpoints(codec_dir, chunks, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(codec_dir, own)
    for tokenizer in (
        build_tokenizer.actions(config(codec=str(codec_dir))),
        build_tokenizer.actions(config(codec="hf://nobody/nothing"), own),
    ):
        tokens, _, ar_mask, _ = tokenizer.tokenize("reach", np.zeros(DIM), chunks[0])
        actions = tokenizer.extract_actions(tokens[ar_mask == 1], HORIZON, DIM)
        np.testing.assert_allclose(actions, chunks[0], atol=0.2)


def test_fsq_answers_with_the_networks_actions(fsq_dir):
    folder, params = fsq_dir
    tokenizer = build_tokenizer.actions(config(actions="fsq", codec=str(folder)))
    network = fsq_config.FsqConfig(**_FSQ)
    ids = [3, 200, 77]
    want = fsq_network.detokenize(network, fsq_network.check_params(network, params), np.array([ids]))[0]
    encode = sentencepiece_model.load("small", 2000).encode
    answer = np.array([*encode("Action: "), *(2000 - 1 - 128 - token for token in ids), *encode("|")])
    np.testing.assert_allclose(tokenizer.extract_actions(answer, HORIZON, DIM), want, atol=1e-6)


def test_binning_needs_no_codec():
    tokenizer = build_tokenizer.actions(config(actions="binning", codec="nowhere"))
    assert isinstance(tokenizer, binning.BinningTokenizer)


def test_a_codec_that_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"FAST codec not found.*nowhere.*train_fast"):
        build_tokenizer.actions(config(codec=str(tmp_path / "nowhere")))
    with pytest.raises(FileNotFoundError, match=r"no FSQ tokenizer at .*nowhere"):
        build_tokenizer.actions(config(actions="fsq", codec=str(tmp_path / "nowhere")))
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="hf://physical-intelligence/fast"):
        build_tokenizer.actions(config())
