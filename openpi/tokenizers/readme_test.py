"""The README's example runs."""

import pathlib
import re

import numpy as np

from openpi.tokenizers import fast, fast_codec_files, fast_codec_fit

_README = pathlib.Path(__file__).parent / "README.md"


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", _README.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(example, names)
    assert isinstance(names["tokenizer"], fast.FastTokenizer) and names["mask"].sum() < 64
    again = fast_codec_fit.fit(names["chunks"], vocab_size=512)
    assert fast_codec_files.load(tmp_path / "my_codec").encode(names["chunks"]) == again.encode(names["chunks"])
    assert np.abs(names["actions"] - names["chunks"][0]).max() > 0  # kept to the quantization, and not a copy
