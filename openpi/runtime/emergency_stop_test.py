import logging
import threading

import pytest

from openpi.runtime import emergency_stop


def test_it_is_off_until_it_is_tripped():
    stop = emergency_stop.EmergencyStop()
    stop.check()
    assert stop.reason is None
    stop.trip("the door is open")
    with pytest.raises(emergency_stop.Stopped, match="stopped: the door is open; the robot holds its position"):
        stop.check()


def test_the_first_reason_is_kept_and_told_once(caplog):
    stop = emergency_stop.EmergencyStop()
    with caplog.at_level(logging.WARNING):
        threads = [threading.Thread(target=stop.trip, args=(f"reason {number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert caplog.messages == [f"Stopped: {stop.reason}"]
