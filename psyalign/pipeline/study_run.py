"""Running a study, and scoring new responses with what a run made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from psyalign.foundation.errors import RunError
from psyalign.foundation.files import write_json, write_text
from psyalign.foundation.hashing import hash_file, hash_json
from psyalign.foundation.launch import launch
from psyalign.foundation.provenance import provenance
from psyalign.foundation.tables import write_csv
from psyalign.items import ItemBank, load_bank
from psyalign.pipeline.data import load_study_bank
from psyalign.pipeline.run import Run, Stage, now, run_folder
from psyalign.pipeline.stages.settled import CHOICES
from psyalign.study import Study, cautions, load_study, resolved, resolved_toml

__all__ = ["run_study", "score_responses"]

SAID = ("records", "times")  # files of what raters said: inputs of the stage "feedback" alone


def run_study(study_path: Path, run: str = "main", fresh: bool = False, changes: Sequence[str] = ()) -> Path:
    """Run a study from its data to the tables that the report reads.

    Stages that are done with the same settings and inputs are skipped; an interrupted one is
    gone on with. Two commands never work on one run; the processes of one torchrun share its work within
    `psyalign.scorer.distributed.together`, where the first alone calls this.

    Parameters
    ----------
    study_path : Path
        study.toml, or its folder.
    run : str
        Name of the run: ``runs/<run>`` in the study's folder.
    fresh : bool
        Delete what the run has and start anew.
    changes : sequence of str
        Keys of the study set otherwise in this run, each ``TABLE.KEY=VALUE``.

    Returns
    -------
    Path
        The run directory.
    """
    study = load_study(study_path, changes)
    folder = run_folder(study.folder, run)
    bank = load_study_bank(study)
    inputs = _inputs(study, bank)  # before anything is written: missing files end here
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            "Another process is working on this run.",
            where=str(folder),
            mend="Wait for it, or use another --run.",
        ) from None
    with held:
        for left in folder.glob(".*.tmp"):  # of a file that a kill cut off
            left.unlink()
        if fresh:
            _empty(folder)
        _run(Run(folder, study, bank), inputs)
    return folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run(run: Run, inputs: dict[str, str]) -> None:
    started = now()
    started_by = launch()
    processes = {"processes": started_by.processes} if started_by else {}
    run.event("run started", study=run.study.study.name, **processes)
    write_text(run.path("study.resolved.toml"), resolved_toml(run.study))
    _keep_items(run)
    for stage in _stages(run, inputs):
        run.perform(stage)
    write_json(run.path("manifest.json"), _manifest(run, inputs, started))
    run.event("run finished")


def _keep_items(run: Run) -> None:
    """A copy of the items as they were, so that the run's scorers can be used when the bank has moved on."""
    kept = run.path("items")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for name in ("bank.toml", *(f"{item}.toml" for item in run.bank.items)):
        shutil.copyfile(run.bank.folder / name, kept / name)


def _inputs(study: Study, bank: ItemBank) -> dict[str, str]:
    """SHA-256 of every file that goes in, by its name in the study."""
    from psyalign.study import require_files

    require_files(study)
    named = {
        "responses": study.data.responses,
        "ratings": study.data.ratings,
        "persons": study.data.persons,
        "wordings": study.data.wordings,
        "records": study.feedback.records,
        "times": study.feedback.times,
    }
    found = {key: hash_file(study.file(name)) for key, name in named.items() if name}
    paths = sorted(path for path in bank.folder.rglob("*.toml"))
    found["items"] = hash_json({str(path.relative_to(bank.folder)): hash_file(path) for path in paths})
    return found


def _stages(run: Run, inputs: dict[str, str]) -> list[Stage]:
    """The stages of the study in the order in which they run."""
    from psyalign.pipeline.stages import align, choice, data, evaluate, feedback, reward, scores, sft

    settings = resolved(run.study)
    seed = run.study.study.seed

    def part(*names: str) -> dict[str, Any]:
        return {"seed": seed, **{name: settings.get(name) for name in names}}

    # what raters said changes nothing about the data, and the baseline need not be trained anew for it
    said = {name: inputs[name] for name in SAID if name in inputs}
    others = {name: value for name, value in inputs.items() if name not in SAID}
    read = part("items", "data", "simulation", "plant", "split", "groups") | {"inputs": others}
    read["min_group"] = run.study.dif.min_group
    stages = [Stage("data", data.work, read), Stage("sft", sft.work, part("scorer"), ("data",))]
    arms = list(run.study.align.arms)
    if "ceiling" in arms:
        stages.append(Stage("ceiling", sft.ceiling, part("scorer"), ("data",)))
    heard = part("feedback", "groups") | ({"inputs": said} if said else {})
    stages.append(Stage("feedback", feedback.work, heard, ("data",)))
    stages.append(Stage("reward", reward.work, part("reward"), ("sft", "feedback")))
    choices = choice.choice_stages(run.study, settings)
    stages += choices
    training = {name: value for name, value in settings["align"].items() if name != "arms"}
    for arm in arms:
        if arm in align.OBJECTIVES:
            own = {"seed": seed, **training}
            before = ("sft", "feedback", "reward", *choice.needed_by(run.study, arm))
            stages.append(Stage(f"align/{arm}", partial(align.work, arm=arm), own, before))
    probes = {"seed": seed, "wording_probes": run.study.dif.wording_probes}
    for arm in arms:
        adapter = scores.adapter_folder(arm)
        stages.append(Stage(f"scores/{arm}", partial(scores.work, arm=arm), probes, ("data", adapter)))
    chosen = (stage.name for stage in choices if stage.name in CHOICES.values())
    needs = ("data", "feedback", "reward", *chosen, *(f"scores/{arm}" for arm in arms))
    stages.append(
        Stage(
            "tables",
            evaluate.work,
            part("dif", "groups", "feedback", "align", "gates") | {"after": run.study.report.primary_arm},
            needs,
            version=6,
        )
    )
    return stages


def _manifest(run: Run, inputs: dict[str, str], started: str) -> dict[str, Any]:
    study, data, sft = run.study, run.facts("data"), run.facts("sft")
    warnings = [text for record in run.done.values() for text in record["facts"].get("warnings", [])]
    if sft["truncated"]:
        warnings.append(
            f"Scorer: {sft['truncated']} training responses were longer than max_tokens allows and cut."
        )
    warnings += [caution.message for caution in cautions(study)]
    hashes = {name: run.facts(name)["fingerprint"] for name in run.done if "fingerprint" in run.facts(name)}
    return {
        "study": {
            "name": study.study.name,
            "title": study.study.title,
            "question": study.study.question,
            "seed": study.study.seed,
            "primary_arm": study.report.primary_arm,
            "origin": data["origin"],
            "notice": data["notice"],
        },
        "groups": {name: {"reference": g.reference, "focal": g.focal} for name, g in study.groups.items()},
        "provenance": provenance(),
        "inputs": inputs,
        "stages": [
            {"name": name, "key": record["key"], "seconds": record["seconds"], "finished": record["finished"]}
            for name, record in run.done.items()
        ],
        "scorer": {
            "base": study.scorer.base,
            "base_sha256": sft["base_sha256"],
            **{key: sft[key] for key in ("kind", "precision", "device", "parameters", "trainable")},
            **{key: value for key, value in sft.items() if key.startswith("label_mass")},
            **{key: sft[key] for key in ("persons", "responses", "mean_tokens", "truncated")},
            "processes": started_by.processes if (started_by := launch()) else 1,
            "hashes": hashes,
        },
        "bank": _bank(run.bank),
        **_settled(run),
        "warnings": warnings,
        "started": started,
        "finished": now(),
    }


def _bank(bank: ItemBank) -> dict[str, str]:
    """What the item bank says of itself."""
    names = ("id", "title", "version", "language", "licence", "source", "notes")
    return {name: getattr(bank, name) for name in names}


def _settled(run: Run) -> dict[str, Any]:
    """The settings, with what [choice] chose in its place; and how that was chosen."""
    settings = resolved(run.study)
    found = {key: run.facts(name) for key, name in CHOICES.items() if name in run.done}
    if not found:
        return {"settings": settings}
    settings["align"] |= {key: facts["value"] for key, facts in found.items()}
    told = {key: {name: facts[name] for name in facts if name != "warnings"} for key, facts in found.items()}
    return {"settings": settings, "choice": told}


def score_responses(run: Path, arm: str, responses: Path, out: Path) -> None:
    """Score new responses with the scorer of one arm of a finished run.

    Parameters
    ----------
    run : Path
        Run directory.
    arm : str
        One of the study's arms.
    responses : Path
        CSV or Parquet with person, item, response.
    out : Path
        CSV that gets person, item, modal, expected and the probability of each score point
        (p0 …); never the response's text.
    """
    from psyalign.pipeline.stages.scores import arm_scorer, score_table
    from psyalign.responses import load_responses

    known = _arms_of(run)
    if arm not in known:
        raise RunError(
            f"The run has no scorer for the arm '{arm}'.",
            where=str(run),
            mend=f"It has: {', '.join(known)}."
            if known
            else "Give the folder of a finished run: STUDY/runs/RUN.",
        )
    items = load_bank(run / "items").items
    texts = load_responses(responses, {name: item.scores for name, item in items.items()})
    table = score_table(arm_scorer(run, arm, items), texts, label=f"score {arm}")
    points = [name for name in table.columns if name.startswith("l") and name[1:].isdigit()]
    for name in points:
        table["p" + name[1:]] = np.exp(table[name])
    write_csv(out, table.drop(columns=[*points, "response_id", "wording"]).assign(arm=arm))


def _arms_of(run: Path) -> list[str]:
    arms = sorted(path.parent.name for path in (run / "align").glob("*/done.json"))
    others = [("baseline", "sft"), ("ceiling", "ceiling")]
    return [*(name for name, folder in others if (run / folder / "done.json").is_file()), *arms]
