"""Every configuration field with its default, meaning and unit. Experiments start from these and change what differs.

A configuration is data: an ml_collections ConfigDict without objects in it, so that it can be overridden on the command
line, written as JSON beside a checkpoint, and compared. `openpi/config/build_*.py` make objects of it.
"""

from collections.abc import Callable, Mapping

from ml_collections import config_dict

from openpi.config import model_sizes, robots, suggest

ConfigDict = config_dict.ConfigDict


def pi0_model(language: str = "gemma_2b", expert: str = "gemma_300m", siglip: str = "So400m/14") -> ConfigDict:
    """The pi0 model: flow matching with a continuous state token."""
    return ConfigDict(
        {
            "type": "pi0",  # "pi0", "pi05" or "pi0_fast"; they differ in more fields: see the functions below
            "dtype": "bfloat16",  # compute dtype of the transformers: "bfloat16" or "float32"
            "action_dim": 32,  # robots with fewer actions are zero-padded to this
            "action_horizon": 50,  # actions per chunk, in policy steps
            "max_token_len": 48,  # prompt tokens; longer prompts are cut with a warning
            "discrete_state_input": False,  # write the state into the prompt (pi0.5)
            "vocab_size": 257152,  # rows of the token embedding
            "image_keys": (
                "base_0_rgb",
                "left_wrist_0_rgb",
                "right_wrist_0_rgb",
            ),  # cameras the model encodes, in order
            "image_size": 224,  # pixels, both sides; other images are resized and padded to it
            # crop, rotation and colour jitter of training images: "none", "published" as the released models had it, or
            # "corrected": the saturation jitter works, and each camera changes independently
            "augmentation": "published",
            # what the backward pass computes again in place of keeping it, memory for time: "none", "dots" (all but the
            # matrix products with weights) or "full" (all but each layer's input)
            "remat": "full",
            "siglip": model_sizes.siglip(siglip),  # size of the image tower
            "language": model_sizes.gemma(
                language
            ),  # size of the language model; a lora_rank above 0 gives it adapters
            "expert": model_sizes.gemma(expert),  # size of the action expert
        }
    )


def pi05_model(**sizes: str) -> ConfigDict:
    """The pi0.5 model: time through adaptive RMSNorm, state in the prompt."""
    model = pi0_model(**sizes)
    model.type = "pi05"
    model.max_token_len = 200
    model.discrete_state_input = True
    return model


def pi0_fast_model(language: str = "gemma_2b", siglip: str = "So400m/14") -> ConfigDict:
    """The pi0-FAST model: actions as tokens, one after the other; no action expert, the state always in the prompt."""
    model = pi0_model(language=language, siglip=siglip)
    model.type = "pi0_fast"
    model.action_horizon = 32
    model.max_token_len = 250  # prompt and action tokens
    model.image_keys = ("base_0_rgb", "base_1_rgb", "wrist_0_rgb")
    del model.expert, model.discrete_state_input
    return model


# by `model.type`
MODELS: Mapping[str, Callable[..., ConfigDict]] = {"pi0": pi0_model, "pi05": pi05_model, "pi0_fast": pi0_fast_model}


def cosine_schedule(warmup_steps: int, peak_lr: float, decay_steps: int, decay_lr: float) -> ConfigDict:
    """Linear warm-up to peak_lr, then cosine to decay_lr; decay_steps counts from step 0 and includes the warm-up."""
    return ConfigDict(
        {
            "kind": "cosine",  # or "inverse_sqrt", which has no decay_steps and decay_lr
            "warmup_steps": warmup_steps,  # of linear growth from almost 0
            "peak_lr": peak_lr,  # learning rate after them
            "decay_steps": decay_steps,  # the step at which decay_lr is reached
            "decay_lr": decay_lr,  # from then on
            "timescale": 10_000,  # of "inverse_sqrt"
        }
    )


def inverse_sqrt_schedule(warmup_steps: int, peak_lr: float, timescale: int) -> ConfigDict:
    """Linear warm-up to peak_lr, then peak_lr / sqrt(1 + steps since warm-up / timescale)."""
    schedule = cosine_schedule(warmup_steps, peak_lr, 30_000, 2.5e-6)
    schedule.update(kind="inverse_sqrt", timescale=timescale)
    return schedule


def lerobot_data(robot: ConfigDict | None = None) -> ConfigDict:
    """A dataset in the LeRobot format, of a robot of `robots` (ALOHA if None), with the names of an ALOHA dataset."""
    return ConfigDict(
        {
            "kind": "lerobot",  # "lerobot", "droid_rlds" or "fake": random model inputs, without statistics
            "robot": robots.aloha() if robot is None else robot,  # what its numbers and cameras are
            "repo_id": "",  # name of the dataset; also its folder
            "root": "",  # the dataset's folder; "" = <OPENPI_DATA_HOME>/datasets/<repo_id>, else the Hub's
            "revision": "",  # of the Hub's: a branch, tag or commit; "" = the newest format
            "reader": "openpi",  # or "lerobot": the lerobot package itself reads it (programs built with --config=lerobot)
            # "aloha_reach", "aloha_pick", "aloha_transfer", "aloha_tasks": record it in simulation when it is not there
            "generator": "",
            "generator_episodes": 0,  # how many it records
            "generator_seed": 0,  # of their starts
            "default_prompt": "",  # used when a sample or an observation has no prompt
            "prompt_from_task": False,  # prompt = the dataset's task text
            "repack": {  # the robot's key: the dataset's key
                "images": {"cam_high": "observation.images.top"},
                "state": "observation.state",
                "actions": "action",
            },
            "skip_bad_episodes": False,  # leave damaged episodes out, counted and explained in the log, rather than stop
            "action_sequence_keys": ("action",),  # dataset keys that are read as chunks of action_horizon steps
            "assets_dir": "",  # where <asset_id>/norm_stats.json is; "" = <assets_base_dir>/<name>
            "asset_id": "",  # "" = repo_id, or without one the name of the folder `root`
            "use_quantile_norm": False,  # 1 % and 99 % quantiles to [-1, 1] instead of mean and std; pi0.5's and pi0-FAST's way
            "compute_norm_stats": False,  # compute missing statistics before training instead of stopping
            "min_std": 0.0,  # a dimension that varies less (in its own unit) is left unscaled by computed statistics
            # how images are read: "none": decoded each time; "frames": decoded once, at the model's size, into files that are
            # mapped into memory; "video": encoded anew at that size (lossy); "auto": "frames" where they fit, else "video"
            "cache": "none",
            "cache_max_gib": 32.0,  # what decoded frames may take of the disk
            # several datasets in place of repo_id: {"weight" (share of the samples), "repo_id" or "root", "revision",
            # "reader"} each
            "mixture": (),
            "rlds": {  # of "droid_rlds"
                "data_dir": "",  # the folder that holds <name>/<version> of each dataset
                "action_space": "joint_position",  # what DROID's actions are: "joint_position" or "joint_velocity"
                # {"name", "version", "weight" (share of the samples; they sum to 1), "filter" (JSON of the ranges of frames
                # that are used, path or URL; "" = all)} each
                "datasets": (),
            },
        }
    )


def base_config(name: str, model: ConfigDict | None = None, robot: ConfigDict | None = None) -> ConfigDict:
    """A training configuration with the published defaults. Fields are added by no one else: it is locked.

    Args:
      name: its name.
      model: what is trained, pi0 if None; pi0.5 and pi0-FAST are normalized by quantiles.
      robot: of the data, ALOHA if None.
    """
    config = ConfigDict(
        {
            "name": name,  # of the configuration; runs lie below it
            "exp_name": "default",  # the run: <checkpoint_base_dir>/<name>/<exp_name>
            "model": pi0_model() if model is None else model,
            "tokenizer": {
                "path": "gs://big_vision/paligemma_tokenizer.model",  # SentencePiece; "small": the one that openpi ships
                "vocab_size": 257152,  # pieces that it must have
                "actions": "fast",  # how pi0-FAST writes actions: "fast"; for inference alone "binning" or "fsq"
                # folder of the action codec of "fast" or "fsq"; "": trained on the dataset where statistics are computed too.
                # A checkpoint that holds its codec is served with that one
                "codec": "hf://physical-intelligence/fast",
            },
            "data": lerobot_data(robot),
            # where training starts: "none"; "checkpoint": path is a params directory; "pytorch": a safetensors file or
            # its folder; "paligemma": an .npz file, "" = the published one
            "weights": {"kind": "none", "path": ""},
            # regular expression of "/"-joined parameter paths that are not trained; "" = train all, freeze.lora_filter
            # = that of the released LoRA fine-tunes
            "freeze": "",
            "optimizer": {
                "kind": "adamw",  # or "sgd": momentum alone, without weight decay and clipping
                "b1": 0.9,  # decay of the gradients' mean
                "b2": 0.95,  # and of their squares
                "eps": 1e-8,  # added to the root of the squares
                "weight_decay": 1e-10,  # of all trained parameters, times the learning rate
                "clip_gradient_norm": 1.0,  # longest gradient, over all parameters together
                "momentum": 0.9,  # of "sgd"
                "nesterov": False,  # of "sgd"
            },
            "lr_schedule": cosine_schedule(1000, 2.5e-5, 30_000, 2.5e-6),
            "ema_decay": 0.99,  # exponential moving average of the weights; 0 = off
            "noise_draws": 1,  # (noise, time) draws for each sample; the images are encoded once for all of them
            "seed": 42,  # of first parameters, order of the data, noise and augmentation
            "batch_size": 32,  # samples per step, over all devices
            # parts that the batch is computed in, one after the other: the same step, with the memory of one part
            "accumulation_steps": 1,
            "num_workers": -1,  # reader threads of the loader; 0 = read when asked, -1 = as many as measured best
            "num_train_steps": 30_000,  # in all, those before a resume included
            "log_interval": 100,  # steps
            "save_interval": 1000,  # steps between checkpoints; the last step is always saved
            "keep_latest": 1,  # checkpoints of the latest saves that are kept
            "keep_period": 5000,  # checkpoints at multiples of this are kept for good; 0 = none
            "keep_best": 0,  # checkpoints of the lowest validation losses that are kept; 0 = none
            # a step with a loss or gradient that is not finite: "stop", or "skip" its update
            "on_divergence": "stop",
            "divergence_factor": 0.0,  # so many times the median of the last steps' loss or grad_norm is as bad; 0 = off
            "max_skipped_steps": 10,  # skipped one after the other; more of them stop training
            "validation": {  # on episodes that are not trained on
                "share": 0.0,  # of each dataset's episodes, held out; 0 = none: all are trained on
                "episodes": (),  # the numbers of those that are held out, in place of a share
                "seed": 0,  # of the choice by share
                "interval": 1000,  # steps between validations; the last step is always validated
                "num_frames": 256,  # frames of the held-out episodes that losses and sampled actions are measured on
                "open_loop_episodes": 3,  # of them, whose predicted and recorded actions are drawn
            },
            # Weights & Biases, beside metrics.jsonl and TensorBoard: "off", "online", or "offline" (into the run's folder)
            "wandb": {"mode": "off", "project": "openpi"},
            "overwrite": False,  # delete a run of the same name first
            "resume": False,  # go on from the latest checkpoint of the run
            "fsdp_devices": 1,  # devices that one copy of the parameters is split over
            "checkpoint_base_dir": "./checkpoints",  # where runs lie
            "assets_base_dir": "./assets",  # where statistics and codecs of configurations lie
            "policy_metadata": {},  # sent to every client that connects to the policy server
            "sampling": {  # how the policy is used
                "num_steps": 10,  # denoising steps (pi0, pi0.5)
                "max_decoding_steps": 256,  # tokens at the most (pi0-FAST)
                "temperature": 0.0,  # of the choice of tokens; 0 = always the likeliest (pi0-FAST)
                "replan_steps": 25,  # actions of a chunk that a robot executes before it asks for the next
            },
        }
    )
    config.data.use_quantile_norm = config.model.type != "pi0"
    return config


def pick_variant(variants: Mapping[str, Callable[[], ConfigDict]], variant: str, default: str) -> ConfigDict:
    """The named variant's locked ConfigDict; `""` is the default. An unknown name is a ValueError with the nearest."""
    name = variant or default
    if name not in variants:
        raise ValueError(f"unknown variant {name!r}{suggest.hint(name, variants)}")
    return variants[name]().lock()
