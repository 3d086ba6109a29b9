import pytest

from openpi.config import load, schema, validate


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("batch_size", 0, r"config.batch_size=0 must be positive"),
        ("noise_draws", -1, r"config.noise_draws=-1"),
        ("ema_decay", 1.0, r"config.ema_decay=1.0"),
        ("accumulation_steps", 0, r"config.accumulation_steps=0 must be positive"),
        ("accumulation_steps", 5, r"config.accumulation_steps=5 must divide config.batch_size=32"),
        ("optimizer.kind", "adam", r"config.optimizer.kind='adam' is unknown; did you mean 'adamw'"),
        ("optimizer.b2", 1.0, r"config.optimizer.b2=1.0 must be at least 0 and below 1"),
        ("optimizer.momentum", -0.1, r"config.optimizer.momentum=-0.1 must be at least 0 and below 1"),
        ("optimizer.clip_gradient_norm", 0.0, r"config.optimizer.clip_gradient_norm=0.0 must be positive"),
        ("optimizer.weight_decay", -1.0, r"config.optimizer.weight_decay=-1.0 must be at least 0"),
        ("lr_schedule.kind", "rsqrt", r"config.lr_schedule.kind='rsqrt' is unknown"),
        ("lr_schedule.timescale", 0, r"config.lr_schedule.timescale=0 must be positive"),
        ("lr_schedule.warmup_steps", -1, r"config.lr_schedule.warmup_steps=-1 must be at least 0"),
        ("model.remat", "dot", r"config.model.remat='dot' is unknown; did you mean 'dots'"),
        ("exp_name", "../up", r"config.exp_name='../up' must be a folder name"),
        ("model.type", "pi1", r"config.model.type='pi1' is unknown; did you mean 'pi0'"),
        ("model.dtype", "float16", r"config.model.dtype='float16'.*bfloat16"),
        ("model.siglip.patch_size", 15, r"patch_size=15 does not divide config.model.image_size=224"),
        ("model.siglip.num_heads", 5, r"config.model.siglip.width=64 is no multiple of num_heads=5"),
        ("model.expert.depth", 3, r"config.model.language.depth=2 and config.model.expert.depth=3 differ"),
        ("model.language.width", -64, r"config.model.language.width=-64 must be positive"),
        ("model.image_keys", (), r"image_keys is empty"),
        ("model.augmentation", "correct", r"config.model.augmentation='correct' is unknown; did you mean 'corrected'"),
        ("model.expert.lora_rank", -1, r"config.model.expert.lora_rank=-1 must be at least 0"),
        ("model.type", "pi0_fast", r"type='pi0_fast' has no action expert: begin with schema.pi0_fast_model\(\)"),
        ("tokenizer.actions", "fsk", r"config.tokenizer.actions='fsk' is unknown; did you mean 'fsq'"),
        ("model.vocab_size", 1999, r"tokenizer.vocab_size=2000 is more than config.model.vocab_size=1999"),
        ("sampling.temperature", -0.1, r"config.sampling.temperature=-0.1 must be at least 0"),
        ("sampling.max_decoding_steps", 0, r"config.sampling.max_decoding_steps=0 must be positive"),
        ("data.kind", "lerobt", r"config.data.kind='lerobt' is unknown; did you mean 'lerobot'"),
        ("data.rlds.action_space", "joints", r"config.data.rlds.action_space='joints' is unknown"),
        ("data.generator", "x", r"config.data.generator='x'"),
        ("wandb.mode", "on", r"config.wandb.mode='on' is unknown \(known: off, offline, online\)"),
        ("validation.interval", 0, r"config.validation.interval=0 must be positive"),
        ("validation.share", 1.0, r"config.validation.share=1.0 must be at least 0 \(none\) and below 1"),
        ("validation.open_loop_episodes", -1, r"config.validation.open_loop_episodes=-1 must be at least 0"),
        ("keep_best", 1, r"config.keep_best=1 needs a validation: set config.validation.share"),
        ("weights.kind", "checkpoint", r"weights.kind='checkpoint' needs config.weights.path"),
        ("weights.kind", "pytorch", r"weights.kind='pytorch' needs config.weights.path"),
    ],
)
def test_the_error_names_field_value_and_remedy(field, value, match):
    config = load.load("experiments/aloha.py").copy_and_resolve_references()
    *parents, leaf = field.split(".")
    node = config
    for part in parents:
        node = node[part]
    node[leaf] = value
    with pytest.raises(ValueError, match=match):
        validate.validate(config)


def test_pi0_fast_has_one_expert():
    config = load.load("experiments/aloha.py").copy_and_resolve_references()
    with config.unlocked():
        config.model = schema.pi0_fast_model(language="small", siglip="small/28")
    config.noise_draws = 1
    config.model.update(image_keys=("base_0_rgb",), action_dim=14)
    validate.validate(config)
    config.model.type = "pi05"
    with pytest.raises(ValueError, match=r"type='pi05' needs an action expert: begin with schema.pi05_model\(\)"):
        validate.validate(config)
    config.model.update(type="pi0_fast", image_size=30)
    with pytest.raises(ValueError, match="does not divide config.model.image_size=30"):
        validate.validate(config)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"validation.episodes": (3,)}, "share and config.validation.episodes are both set: choose one"),
        ({"data.kind": "fake"}, "config.data.kind='fake' has none: set share to 0"),
        ({"keep_best": 2, "save_interval": 1500}, "interval=1000 must divide config.save_interval=1500"),
    ],
)
def test_a_validation_that_does_not_fit_the_rest(settings, match):
    config = load.load("experiments/aloha.py")
    config.update_from_flattened_dict({"validation.share": 0.1, "save_interval": 2000, "keep_best": 2})
    validate.validate(config)
    config.update_from_flattened_dict(settings)
    with pytest.raises(ValueError, match=match):
        validate.validate(config)


def test_overwrite_and_resume_exclude_each_other():
    config = load.load("experiments/aloha.py")
    config.overwrite = config.resume = True
    with pytest.raises(ValueError, match="choose one"):
        validate.validate(config)


def test_pi0_fast_learns_without_noise():
    config = load.load("experiments/aloha.py:aloha_reach_fast")
    validate.validate(config)
    config.noise_draws = 4
    with pytest.raises(ValueError, match="config.noise_draws=4: pi0_fast learns without noise; set it to 1"):
        validate.validate(config)
