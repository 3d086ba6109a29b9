import json
import pathlib
import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.transforms import actions, prompt, transform


def test_compose_applies_in_order():
    first = prompt.InjectDefaultPrompt("first")
    second = prompt.InjectDefaultPrompt("second")
    assert str(transform.compose([first, second])({})["prompt"]) == "first"
    assert str(transform.compose([second, first])({})["prompt"]) == "second"


def test_compose_of_nothing_is_the_identity():
    assert transform.compose([])({"a": 1}) == {"a": 1}


def test_compose_survives_pickling():
    composed = transform.compose([prompt.InjectDefaultPrompt("x"), actions.SubsampleActions(2)])
    assert pickle.loads(pickle.dumps(composed)) == composed


def test_steps_of_what_was_composed_of_parts():
    first, second, third = (prompt.InjectDefaultPrompt(text) for text in "abc")
    composed = transform.compose(
        [transform.compose([first, transform.compose([])]), second, transform.compose([third])]
    )
    assert transform.steps(composed) == (first, second, third)
    assert transform.steps(first) == (first,)


def test_push_golden():
    golden = json.loads((pathlib.Path(__file__).parent / "testdata/helpers.json").read_text())["group_push_order"]
    start, result = (
        transform.Group(**{side: tuple(names) for side, names in golden[key].items()}) for key in ("start", "result")
    )
    group = start.push(**golden["push"])
    assert group == result
    assert group.push() == group


def test_push_leaves_the_old_group_alone():
    group = transform.Group(inputs=("i1",), outputs=("o1",))
    group.push(inputs=["i2"], outputs=["o2"])
    assert group == transform.Group(inputs=("i1",), outputs=("o1",))


@settings(deadline=None)
@given(st.lists(st.integers(-100, 100), max_size=6))
def test_outputs_undo_inputs(offsets):
    group = transform.Group()
    for offset in offsets:
        group = group.push(inputs=[_shift_and_note(offset)], outputs=[_unshift_and_note(offset)])
    there_and_back = transform.compose([*group.inputs, *group.outputs])
    # Each step notes its number; undoing pops the note, so a wrong order fails.
    assert there_and_back({"x": 0, "notes": ()}) == {"x": 0, "notes": ()}


def _shift_and_note(offset):
    return lambda data: {"x": data["x"] + offset, "notes": (*data["notes"], offset)}


def _unshift_and_note(offset):
    def undo(data):
        assert data["notes"][-1] == offset
        return {"x": data["x"] - offset, "notes": data["notes"][:-1]}

    return undo
