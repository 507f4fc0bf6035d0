"""TRL's side of `alignment.py`; run by it, with TRL on PYTHONPATH.

What could only slow TRL down is left out or mended in its favour: gradient checkpointing is off, batches
are ours, bucketed by length (PPO is run a second time with those that TRL draws), nothing is logged or
saved, the gold reward is looked up in PPO (a reward model would cost it one more forward pass an episode),
the value model is adapted by LoRA only, and tokens other than score digits have probability 0 in PPO.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from alignment_task import HeldOut, Meter, Task, load_task, ordered_pairs, schedule

NEVER = -1.0e4


def main() -> None:
    """Run the task in the file that is named on the command line."""
    if len(sys.argv) < 2:
        print("trl_peer.py is a part of alignment.py; run that.")
        return
    task = load_task(Path(sys.argv[1]))
    torch.manual_seed(task.seed)
    meter = {"reward": _reward, "dpo": _dpo, "ppo": _ppo}[task.kind](task)
    meter.finish(version=version("trl"), transformers=version("transformers"))


def _dpo(task: Task) -> Meter:
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    class Trainer(_Same, DPOTrainer):  # type: ignore[misc]
        settings = task

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset  # token ids already: the same as ours, and no EOS to learn

    model = AutoModelForCausalLM.from_pretrained(task.model, dtype=getattr(torch, task.weights))
    rows = [
        {
            "prompt_ids": task.prompts[row],
            "chosen_ids": [task.digits[better]],
            "rejected_ids": [task.digits[worse]],
        }
        for batch in task.batches
        for row in batch
        for better, worse in task.pairs[row]
    ]
    settings = DPOConfig(**_arguments(task), beta=task.beta, max_length=None)
    trainer = Trainer(model, args=settings, train_dataset=_data(rows), **_common(task))
    _start(trainer.model, task)
    held_out = HeldOut(task)
    return _run(trainer, task, lambda: held_out(_log_probs(trainer.model, task)))


def _reward(task: Task) -> Meter:
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    class Trainer(_Same, RewardTrainer):  # type: ignore[misc]
        settings = task

    model = AutoModelForSequenceClassification.from_pretrained(
        task.model, num_labels=1, dtype=getattr(torch, task.weights)
    )
    rows = [
        {
            "chosen_ids": [*task.prompts[row], task.digits[better]],
            "rejected_ids": [*task.prompts[row], task.digits[worse]],
        }
        for batch in task.batches
        for row in batch
        for better, worse in task.pairs[row]
    ]
    settings = RewardConfig(**_arguments(task), max_length=None)
    common = _common(task)
    common["peft_config"].task_type = "SEQ_CLS"
    common["peft_config"].modules_to_save = ["score"]
    trainer = Trainer(model, args=settings, train_dataset=_data(rows), **common)
    _start(trainer.model, task)
    return _run(trainer, task, lambda: _order(trainer.model, task))


def _ppo(task: Task) -> Meter:
    from peft import inject_adapter_in_model
    from torch.utils.data import DataLoader
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    class Trainer(PPOTrainer):  # type: ignore[misc]
        def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
            values = [value for value in self.model.parameters() if value.requires_grad]
            self.optimizer = torch.optim.AdamW(values, lr=task.learning_rate, weight_decay=0.01)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                self.optimizer, schedule(num_training_steps)
            )

    dtype = getattr(torch, task.weights)
    policy = AutoModelForCausalLM.from_pretrained(task.model, dtype=dtype)
    policy.set_output_embeddings(_digits_only(policy.get_output_embeddings(), task.digits))
    value = AutoModelForSequenceClassification.from_pretrained(task.model, num_labels=1, dtype=dtype)
    value = inject_adapter_in_model(_lora(task), value)
    for model in (policy, value.model):  # TRL's rollouts are outside of its autocast, in float32
        model.forward = torch.autocast("cpu", dtype=torch.bfloat16, enabled=task.bf16)(model.forward)
    for name, parameter in value.named_parameters():
        parameter.requires_grad_("lora_" in name or name.startswith("score"))
    common = _common(task)
    common["processing_class"].padding_side = "left"
    rows = [{"input_ids": task.prompts[row]} for batch in task.batches for row in batch]
    size = len(task.batches[0])
    arguments = _arguments(task) | {"per_device_train_batch_size": size, "gradient_accumulation_steps": 1}
    settings = PPOConfig(
        **arguments,
        total_episodes=len(rows) // size * size,
        response_length=1,
        temperature=1.0,
        kl_coef=task.beta,
        num_ppo_epochs=task.inner,
        num_sample_generations=0,
        local_rollout_forward_batch_size=size,
    )
    trainer = Trainer(
        args=settings,
        model=policy,
        ref_model=None,
        reward_model=_Gold(task, common["processing_class"].pad_token_id),
        value_model=value,
        train_dataset=_data(rows),
        eval_dataset=_data(rows[:size]),
        **common,
    )
    if not task.shuffled:
        ordered = DataLoader(trainer.train_dataset, size, collate_fn=trainer.data_collator, drop_last=True)
        trainer.dataloader = trainer.accelerator.prepare(ordered)
    _start(trainer.policy_model, task)
    held_out = HeldOut(task)
    return _run(trainer, task, lambda: held_out(_log_probs(trainer.policy_model, task)))


class _Same:
    """Our optimiser, schedule and order of the data, for TRL's trainers."""

    settings: Task

    def create_optimizer(self, *_: Any, **__: Any) -> Any:
        values = [value for value in self.model.parameters() if value.requires_grad]  # type: ignore[attr-defined]
        self.optimizer = torch.optim.AdamW(values, lr=self.settings.learning_rate, weight_decay=0.01)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or self.optimizer, schedule(num_training_steps)
        )
        return self.lr_scheduler


class _Gold(torch.nn.Module):
    """The gold reward in the shape in which TRL asks for rewards; looked up, so next to free."""

    base_model_prefix = "backbone"

    def __init__(self, task: Task, pad: int):
        super().__init__()
        self._rewards = {
            (*prompt, digit): reward
            for prompt, rewards in zip(task.prompts, task.gold, strict=True)
            for digit, reward in zip(task.digits, rewards, strict=True)
        }

    def backbone(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> Any:
        rewards = [
            self._rewards[tuple(ids[mask.bool()].tolist())]
            for ids, mask in zip(input_ids, attention_mask, strict=True)
        ]
        hidden = torch.tensor(rewards)[:, None, None].expand(*input_ids.shape, 1)
        return SimpleNamespace(hidden_states=[hidden])

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden


def _digits_only(head: Any, digits: list[int]) -> torch.nn.Linear:
    """The LM head with a bias that leaves the score digits alone: no episode is wasted."""
    made = torch.nn.Linear(head.in_features, head.out_features, dtype=head.weight.dtype)
    made.weight = head.weight
    bias = torch.full((head.out_features,), NEVER, dtype=head.weight.dtype)
    bias[digits] = 0
    made.bias = torch.nn.Parameter(bias, requires_grad=False)
    return made


def _lora(task: Task) -> Any:
    from peft import LoraConfig
    from transformers import AutoConfig

    count = AutoConfig.from_pretrained(task.model).num_hidden_layers
    return LoraConfig(
        layers_to_transform=list(range(count - task.layers, count)) if task.layers else None,
        layers_pattern="layers" if task.layers else None,
        r=task.rank,
        lora_alpha=task.alpha,
        lora_dropout=0.0,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    )


def _common(task: Task) -> dict[str, Any]:
    from transformers import AutoTokenizer

    return {"processing_class": AutoTokenizer.from_pretrained(task.model), "peft_config": _lora(task)}


def _arguments(task: Task) -> dict[str, Any]:
    """Settings of transformers' Trainer: one optimiser step for each of our batches."""
    judgements = [len(task.pairs[row]) for row in task.batches[0]]
    whole = sum(judgements)
    each = next(size for size in range(8, 0, -1) if whole % size == 0)
    return {
        "output_dir": str(Path(task.adapter).parent / "trl"),
        "num_train_epochs": 1,
        "per_device_train_batch_size": each,
        "gradient_accumulation_steps": whole // each,
        "learning_rate": task.learning_rate,
        "max_grad_norm": 1.0,
        "bf16": task.bf16,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "seed": task.seed,
    } | ({} if task.kind == "ppo" else {"train_sampling_strategy": "sequential"})


def _data(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(rows)


def _start(model: Any, task: Task) -> None:
    """Give LoRA the start that ours has."""
    from safetensors.torch import load_file

    ours = {
        name[name.index("layers.") :]: value
        for name, value in load_file(task.adapter).items()
        if "lora_" in name
    }
    found = 0
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name and ".ref." not in name:
                value.copy_(ours[name[name.index("layers.") :]])
                found += 1
    assert found == len(ours), (found, len(ours))


def _run(trainer: Any, task: Task, evaluate: Any) -> Meter:
    from transformers import TrainerCallback

    def figures() -> Any:
        training = trainer.model.training
        trainer.model.eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=task.bf16):
            found = evaluate()
        trainer.model.train(training)
        return found

    meter = Meter(figures, task.evaluations)

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.step()

    trainer.add_callback(Clock())
    meter.start()
    trainer.train()
    return meter


def _batches(prompts: list[list[int]], size: int = 8) -> Any:
    """Left-padded, so that the last position is the last token."""
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        width = max(len(prompts[row]) for row in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, width - len(prompts[row]) :] = torch.tensor(prompts[row])
            mask[at, width - len(prompts[row]) :] = 1
        yield rows, ids, mask


def _log_probs(model: Any, task: Task) -> np.ndarray:
    """Of the score points of the held-out responses, (N, K)."""
    result = np.empty((len(task.held), len(task.digits)))
    for rows, ids, mask in _batches(task.held):
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=1).logits[:, -1, task.digits]
        result[rows] = torch.log_softmax(logits.float(), dim=-1).double().numpy()
    return result


def _order(model: Any, task: Task) -> dict[str, float]:
    """Share of held-out pairs in gold's order."""
    prompts = [[*prompt, digit] for prompt in task.held for digit in task.digits]
    rewards = np.empty(len(prompts))
    pad = model.config.pad_token_id
    for rows, ids, mask in _batches(prompts):
        ids[mask == 0] = pad  # transformers finds the last token by it
        rewards[rows] = model(input_ids=ids, attention_mask=mask).logits.squeeze(-1).double().numpy()
    return ordered_pairs(rewards.reshape(len(task.held), -1), task.held_gold)


if __name__ == "__main__":
    main()
