"""The Python that runs everything: the machine's own CPython 3.11, without its site-packages.

The repository holds a virtual environment without pip and without a single package, so that a program sees the
standard library, the tree and its declared wheels, and nothing else.
"""

_VERSION = "3.11"
_PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"

_BUILD = """\
load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")

package(default_visibility = ["//visibility:public"])

exports_files(["bin/python3"])

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "#!{interpreter}",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

def _find_interpreter(rctx):
    """The path of a Python 3.11, or a failure that says what was tried and how to mend it."""
    chosen = rctx.os.environ.get("OPENPI_PYTHON")
    candidates = [chosen] if chosen else [
        "python" + _VERSION,
        "/usr/local/bin/python" + _VERSION,
        "/usr/bin/python" + _VERSION,
        "python3",
    ]
    tried = []
    for candidate in candidates:
        path = candidate if "/" in candidate else rctx.which(candidate)
        if not path:
            tried.append(candidate + " (not on PATH)")
            continue
        result = rctx.execute([path, "-I", "-c", _PROBE])
        if result.return_code == 0 and result.stdout.strip() == _VERSION:
            return path
        tried.append("%s (%s)" % (path, result.stdout.strip() or "does not run"))
    fail("Python {v} not found; tried {tried}. Install it (Debian 12 and Ubuntu: apt-get install python{v}; or: uv python install {v}), or set OPENPI_PYTHON to the path of one.".format(
        v = _VERSION,
        tried = ", ".join(tried),
    ))

def _isolated_python_impl(rctx):
    interpreter = _find_interpreter(rctx)
    result = rctx.execute([interpreter, "-I", "-m", "venv", "--without-pip", "--symlinks", "."])
    if result.return_code != 0:
        fail("%s -m venv failed: %s%s" % (interpreter, result.stdout, result.stderr))
    rctx.file("BUILD.bazel", _BUILD.format(interpreter = rctx.path("bin/python3")))

_isolated_python = repository_rule(
    implementation = _isolated_python_impl,
    environ = ["OPENPI_PYTHON"],
)

python = module_extension(
    implementation = lambda _: _isolated_python(name = "python_3_11"),
)
