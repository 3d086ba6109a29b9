"""Which parameters a LoRA fine-tune leaves as they are, for `config.freeze`."""

from openpi.config import schema


def lora_filter(model: schema.ConfigDict) -> str:
    """Regular expression of the frozen parameters' "/"-joined paths (full match); "" when the model has no adapters.

    As in the released fine-tunes, everything of an expert with adapters is frozen except the adapters: its norms too,
    which in pi0.5 carry the time, and with the language model its token table. Image tower and heads are always
    trained.
    """
    language = bool(model.language.lora_rank)
    expert = "expert" in model and bool(model.expert.lora_rank)
    if language and "expert" in model and not expert:
        return r"(?!.*lora)(?!.*llm.*_1).*llm.*"
    if language:
        return r"(?!.*lora).*llm.*"
    return r"(?!.*lora).*llm.*_1.*" if expert else ""
