import pytest

from openpi.testing import program


def run(*args, cwd, **env):
    return program.run("openpi/cli:program_test_program", *args, cwd=cwd, timeout=60, **env)


def test_arguments_reach_main_and_its_result_is_the_exit_code(tmp_path):
    done = run("a", "--times=2", "b", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a b\na b\n", "")
    assert run("a", "--fail=code", cwd=tmp_path).returncode == 7


def test_the_users_directory_is_that_of_the_program(tmp_path):
    done = run("cwd", cwd="/", BUILD_WORKING_DIRECTORY=str(tmp_path))
    assert done.stdout == f"{tmp_path}\n"
    assert run("cwd", cwd=tmp_path, BUILD_WORKING_DIRECTORY="/nowhere").stdout == f"{tmp_path}\n"


def test_help_explains_and_succeeds(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for text in ("Repeats its arguments", "--times"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        ([], 2, "again: error: give WORD...; see --help"),
        (["a", "--tims=2"], 2, "again: error: Unknown command line flag 'tims'"),
        (["a", "--times=two"], 2, "again: error: flag --times=two: "),
        (["a", "--times=0"], 2, "again: error: flag --times=0: "),
        (["forbidden"], 0, None),
        (["a", "--fail=check"], 2, "again: error: --fail=check is refused; see --help"),
        (["a", "--fail=value"], 1, "again: error: the cube is gone"),
        (["a", "--fail=empty"], 1, "again: error: OSError"),
        (["a", "--fail=interrupt"], 130, "again: error: stopped by Ctrl-C"),
    ],
)
def test_an_error_is_one_line(tmp_path, args, code, line):
    done = run(*args, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.count("\n") == (line is not None), done.stderr
    assert done.stderr.startswith(line or "")


def test_the_traceback_is_there_when_asked_for(tmp_path):
    assert "Traceback" in run("a", "--fail=value", cwd=tmp_path, OPENPI_TRACEBACK="1").stderr
