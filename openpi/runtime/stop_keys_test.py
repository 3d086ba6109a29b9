import io
import os
import pty
import sys
import termios
import time

import pytest

from openpi.runtime import emergency_stop, stop_keys


@pytest.fixture
def terminal():
    """The two ends of a real terminal: the person's and the program's."""
    person, program = pty.openpty()
    yield person, program
    for descriptor in (person, program):
        try:
            os.close(descriptor)
        except OSError:
            continue  # a test has hung up


def _wait(stop):
    deadline = time.monotonic() + 60
    while stop.reason is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return stop.reason


@pytest.mark.parametrize(("key", "name"), [(b"e", "e"), (b"E", "e"), (b" ", "space"), (b"\x1b", "Esc")])
def test_a_key_stops(terminal, key, name):
    person, program = terminal
    stop = emergency_stop.EmergencyStop()
    with stop_keys.watch(stop, program) as watched:
        assert watched
        os.write(person, b"xq\n" + key)
        assert _wait(stop) == f"key {name} was pressed"


def test_other_keys_do_not_and_the_terminal_is_left_as_it_was(terminal):
    person, program = terminal
    before = termios.tcgetattr(program)
    stop = emergency_stop.EmergencyStop()
    with stop_keys.watch(stop, program):
        assert not termios.tcgetattr(program)[3] & termios.ICANON  # keys come without Enter
        assert termios.tcgetattr(program)[3] & termios.ISIG  # Ctrl-C is Ctrl-C
        os.write(person, b"abc\n1")
    assert stop.reason is None
    assert termios.tcgetattr(program) == before


def test_a_terminal_that_is_gone_stops(terminal):
    person, program = terminal
    stop = emergency_stop.EmergencyStop()
    try:
        with stop_keys.watch(stop, program):
            os.close(person)
            assert _wait(stop) == "the terminal with the stop keys is gone"
    except termios.error:
        pass  # nothing is there to be set back


def test_without_a_terminal_nothing_is_watched(tmp_path, caplog):
    stop = emergency_stop.EmergencyStop()
    with (tmp_path / "keys").open("w+b") as file:
        file.write(b"e")
        file.seek(0)
        with stop_keys.watch(stop, file.fileno()) as watched:
            assert not watched
    assert stop.reason is None
    assert "no key stops the robot" in caplog.text


@pytest.mark.parametrize("stdin", [None, io.StringIO("e")])
def test_a_program_without_standard_input_has_no_keys(stdin, monkeypatch):
    monkeypatch.setattr(sys, "stdin", stdin)
    with stop_keys.watch(emergency_stop.EmergencyStop()) as watched:
        assert not watched
