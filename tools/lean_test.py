"""What the programs need, and so what building them fetches: neither torch nor CUDA nor lerobot."""

import pathlib


def _wheels() -> set[str]:
    """The names of the outside packages among this test's runfiles, those of the programs in its data included."""
    return {path.parent.name.rpartition("~pypi_")[2] for path in pathlib.Path("..").glob("*pypi_*/site-packages")}


def test_the_programs_need_neither_torch_nor_cuda():
    wheels = _wheels()
    assert {"jax", "jaxlib", "flax", "grain", "websockets", "pytest"} <= wheels
    heavy = {name for name in wheels if name.startswith(("torch", "nvidia", "jax_cuda", "triton", "lerobot"))}
    assert not heavy
