"""A robot and a dataset of your own: copy this file, go through it from top to bottom, and give its path to --config.

--config=my_robot.py          fine-tunes all of pi0.5 from its published base: a GPU of 80 GB
--config=my_robot.py:lora     only small adapters beside the frozen weights: a GPU of 24 GB or more
--config=my_robot.py:small    a very small network from scratch, on a CPU, in minutes: to try out everything around it

openpi/docs/fine_tuning.md walks from the dataset to the served policy. All fields and their defaults are in
openpi/config/schema.py; any of them can be changed on the command line too: --config.batch_size=64.
"""

from openpi.config import freeze, robots, schema

# The run's folder is checkpoints/NAME/EXP_NAME, and its statistics lie in assets/NAME.
NAME = "my_robot"
# A LeRobot dataset (v2.0, v2.1 or v3.0): its folder. Or leave "" and give its name on the Hugging Face Hub as REPO_ID.
ROOT = "my_dataset"
REPO_ID = ""

# A name for each joint, in the order of your numbers. They are for you: messages and plots use them.
JOINTS = ("base", "shoulder", "elbow", "wrist_1", "wrist_2", "wrist_3")


def _robot():
    """What your robot's numbers and cameras are. Training, serving and the robot's own computer all follow this."""
    # The base models know joints in radians, and grippers from 0 (open) to 1 (closed). Say here what differs; with nothing
    # to convert, leave these out.
    conversions = (
        robots.degrees(*JOINTS),  # yours are in degrees
        robots.flip("elbow"),  # it counts the other way round than the model's
        robots.gripper("gripper", open=85.0, closed=0.0),  # yours is in millimetres
    )
    return robots.robot(
        name=NAME,
        # What the policy reads at each step: entries of an observation, each with a name for every number in it.
        state=(robots.part("state", *JOINTS, "gripper"),),
        state_conversions=conversions,
        # What the policy answers: a name for every number of an action.
        actions=(*JOINTS, "gripper"),
        action_conversions=conversions,  # undone when the policy answers
        # Joints are learned relative to the state, the gripper as it is. () if your actions are velocities or movements.
        delta_mask=robots.mask(len(JOINTS), -1),
        # The model's three images, and which of your cameras each shows. "masked": the robot lacks it, the model is told so.
        cameras=(
            robots.camera("base_0_rgb", "front"),
            robots.camera("left_wrist_0_rgb", "wrist", missing="masked"),
            robots.camera("right_wrist_0_rgb", missing="masked"),
        ),
    )


def _config(model):
    config = schema.base_config(NAME, model, _robot())
    config.data.update(
        root=ROOT,
        repo_id=REPO_ID,
        action_sequence_keys=("action",),  # of these, the coming `action_horizon` steps are read
        prompt_from_task=True,
        default_prompt="do the task",  # where a robot sends no prompt
        cache="auto",  # images are decoded once, at the model's size
    )
    # What the robot's entries (left) are called in the dataset (right). //openpi/datasets:inspect shows its names.
    config.data.repack = {
        "state": "observation.state",
        "front": "observation.images.front",
        "wrist": "observation.images.wrist",
        "actions": "action",
        "prompt": "prompt",  # the episode's task, put there by `prompt_from_task`
    }
    config.update(
        batch_size=32,  # samples a step; //openpi/train:plan tells what fits your GPU
        num_train_steps=20_000,  # a few thousand are enough for a first look
        save_interval=1000,  # steps between checkpoints
        keep_period=5000,  # of which every multiple of this is kept
    )
    # Warm-up, highest rate, and the step from which on it stays at the last rate.
    config.lr_schedule = schema.cosine_schedule(warmup_steps=1000, peak_lr=2.5e-5, decay_steps=20_000, decay_lr=2.5e-6)
    config.sampling.replan_steps = 10  # actions that the robot executes before it asks again
    return config


def _full():
    model = schema.pi05_model()  # or pi0_model(), or pi0_fast_model(), each with its base below
    model.action_horizon = 50  # actions of a chunk: one to two seconds at your dataset's rate
    config = _config(model)
    config.weights.update(kind="checkpoint", path="gs://openpi-assets/checkpoints/pi05_base/params")
    return config


def _lora():
    model = schema.pi05_model(language="gemma_2b_lora", expert="gemma_300m_lora")
    config = _config(model)
    config.weights.update(kind="checkpoint", path="gs://openpi-assets/checkpoints/pi05_base/params")
    config.freeze = freeze.lora_filter(model)  # what has adapters is left as it is
    config.ema_decay = 0.0  # no moving average of the weights: less memory
    config.accumulation_steps = 4  # the batch in four parts, one after the other: less memory
    return config


def _small():
    model = schema.pi0_model(language="small", expert="small", siglip="small/28")
    model.update(
        dtype="float32", vocab_size=2000, max_token_len=16, action_horizon=10, augmentation="none", remat="none"
    )
    config = _config(model)
    config.tokenizer.update(path="small", vocab_size=2000)  # ships with openpi: nothing is downloaded
    config.lr_schedule = schema.cosine_schedule(warmup_steps=100, peak_lr=3e-3, decay_steps=2000, decay_lr=3e-5)
    config.update(num_train_steps=2000, save_interval=500)
    return config


_VARIANTS = {"full": _full, "lora": _lora, "small": _small}


def get_config(variant: str = ""):
    """The configuration of a variant; an unknown one is a ValueError that names the nearest."""
    return schema.pick_variant(_VARIANTS, variant, default="full")
