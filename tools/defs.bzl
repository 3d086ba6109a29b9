"""The Python rules of this tree. One source file a target; deps are exactly its imports (strict_deps.bzl)."""

load("@rules_python//python:defs.bzl", _py_binary = "py_binary", _py_library = "py_library", _py_test = "py_test")

# sys.path without the script's own folder, so that a module beside it cannot shadow another by accident.
_ENV = {"PYTHONSAFEPATH": "1"}

# For tests that spend nearly all of their time in jax's compiler: the code need not be fast, but there soon.
COMPILE_QUICKLY = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}

def py_library(name, **kwargs):
    """A module. `srcs`, `deps`, `data` and the common attributes as in rules_python."""
    _py_library(name = name, srcs_version = "PY3", **kwargs)

def py_binary(name, main = "main.py", srcs = None, env = {}, **kwargs):
    """A program, by default main.py: `bazel run //pkg` when it has its package's name."""
    _py_binary(
        name = name,
        srcs = srcs or [main],
        main = main,
        env = _ENV | env,
        python_version = "PY3",
        **kwargs
    )

def py_test(name, srcs = None, deps = [], env = {}, size = "small", **kwargs):
    """Functions test_* of a file, run by pytest, which the file may import without a dep of its own."""
    srcs = srcs or [name + ".py"]
    _py_test(
        name = name,
        size = size,
        srcs = srcs + ["//tools:pytest_main.py"],
        main = "//tools:pytest_main.py",
        args = ["$(rootpath %s)" % src for src in srcs] + kwargs.pop("args", []),
        env = _ENV | env,
        python_version = "PY3",
        deps = deps + ["//third_party/python:pytest"],
        **kwargs
    )
