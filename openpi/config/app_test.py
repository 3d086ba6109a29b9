import pytest

from openpi.testing import program

ALOHA = "--config=experiments/aloha.py"


def run(*args, cwd, **env):
    return program.run("openpi/config:app_test_program", *args, cwd=cwd, timeout=60, **env)


def test_fields_can_be_changed_and_files_are_found_from_anywhere(tmp_path):
    done = run(ALOHA, "--config.batch_size=4", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")


def test_a_relative_path_means_the_users_directory(tmp_path):
    text = "from openpi.config import schema\n\ndef get_config(v=''):\n    c = schema.base_config('mine')\n    c.batch_size = 9\n    return c\n"
    (tmp_path / "mine.py").write_text(text)
    done = run("--config=mine.py", cwd="/", BUILD_WORKING_DIRECTORY=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "9\n")


def test_help_explains_and_succeeds(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for text in ("Prints a field of its configuration", "--config_name", "--fail", "FILE.py[:VARIANT]"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--confg=x"], 2, ["Unknown command line flag 'confg'", "config"]),
        ([ALOHA, "--config.bath_size=3"], 2, ["no field 'bath_size'", "did you mean 'batch_size'"]),
        ([ALOHA, "--config.model.siglip.widht=3"], 2, ["no field 'widht'", "did you mean 'width'"]),
        ([ALOHA, "--config.qqqq=3"], 2, ["no field 'qqqq'"]),
        ([ALOHA, "--config.batch_size=two"], 2, ["config.batch_size", "'two'"]),
        ([ALOHA, "--config.batch_size=-1"], 2, ["config.batch_size=-1 must be positive"]),
        ([ALOHA + ":pi0_alohaa"], 2, ["unknown variant 'pi0_alohaa'", "did you mean 'pi0_aloha'"]),
        (["--config_name=pi0_aloha_simm"], 2, ["did you mean 'pi0_aloha_sim'"]),
        (["--config=nowhere.py"], 2, ["nowhere.py: no such file", "aloha.py"]),
        (["--config=broken.py"], 2, ["broken.py, line 1", "never closed"]),
        (["--config=raises.py"], 2, ["raises.py does not run: ZeroDivisionError"]),
        (["--config=empty.py"], 2, ["no function get_config"]),
        (["--config.seed=1"], 2, ["none is given", "--config=FILE.py"]),
        ([ALOHA, "extra"], 2, ["unexpected argument 'extra'"]),
        (["--fail=value"], 1, ["the cube is gone"]),
        (["--fail=interrupt"], 130, ["Ctrl-C"]),
    ],
)
def test_an_error_is_one_line_that_names_what_is_wrong(tmp_path, args, code, words):
    (tmp_path / "broken.py").write_text("def get_config(")
    (tmp_path / "raises.py").write_text("1 / 0")
    (tmp_path / "empty.py").write_text("")
    done = run(*args, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_the_traceback_is_there_when_asked_for(tmp_path):
    assert "Traceback" in run("--fail=value", cwd=tmp_path, OPENPI_TRACEBACK="1").stderr
