import numpy as np
import pytest

from openpi.policies import request_options


def test_an_observation_without_options_is_passed_on():
    observation = {"state": np.zeros(3), "prompt": "go"}
    rest, options = request_options.take(observation)
    assert rest is observation
    assert options == request_options.RequestOptions()


def test_options_are_taken_out_and_the_clients_dict_stays():
    noise = np.zeros((2, 3))
    observation = {"state": 1, "openpi": {"num_steps": np.int64(20), "temperature": 0, "noise": noise}}
    rest, options = request_options.take(observation)
    assert rest == {"state": 1}
    assert (options.num_steps, options.temperature) == (20, 0)
    assert options.noise is noise
    assert list(observation) == ["state", "openpi"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"steps": 10},
            "has no option 'steps'; there are: num_steps, temperature, noise, candidates, rtc, deadline_ms",
        ),
        ([10], "must be a dict of num_steps, temperature, noise, candidates, rtc, deadline_ms; got list"),
        ({"num_steps": 0}, "num_steps=0 is not between 1 and 100"),
        ({"num_steps": 101}, "num_steps=101 is not between 1 and 100"),
        ({"num_steps": 2.0}, "num_steps must be a whole number; got 2.0"),
        ({"num_steps": True}, "num_steps must be a whole number; got True"),
        ({"num_steps": "x" * 1000}, "num_steps must be a whole number"),
        ({"temperature": -0.1}, "temperature=-0.1 must be a finite number"),
        ({"temperature": float("nan")}, "temperature=nan must be a finite number"),
        ({"temperature": float("inf")}, "temperature=inf must be a finite number"),
        ({"deadline_ms": 0}, "deadline_ms=0 must be a number of milliseconds above 0"),
        ({"deadline_ms": float("nan")}, "deadline_ms=nan must be"),
        ({"temperature": "hot"}, "temperature must be a number; got 'hot'"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_short_line(given, text):
    with pytest.raises(ValueError, match=text) as raised:
        request_options.take({"state": 1, "openpi": given})
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
