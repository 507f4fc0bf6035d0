"""The data that a study names, loaded, and planted or simulated where it asks for that."""

from __future__ import annotations

from dataclasses import replace

from psyalign.foundation.errors import StudyError
from psyalign.foundation.seeds import derive_seed
from psyalign.items import ItemBank, find_bank, load_bank
from psyalign.responses import (
    Dataset,
    load_dataset,
    load_phrases,
    load_wordings,
    plant_wording,
    simulate_sjt,
)
from psyalign.study import Study, require_files

__all__ = ["load_study_bank", "load_study_data"]


def load_study_bank(study: Study) -> ItemBank:
    """The study's item bank, narrowed to [items] include."""
    return _narrowed(study, _whole_bank(study))


def _whole_bank(study: Study) -> ItemBank:
    return load_bank(find_bank(study.items.bank, study.folder))


def _narrowed(study: Study, bank: ItemBank) -> ItemBank:
    if not study.items.include:
        return bank
    unknown = [name for name in study.items.include if name not in bank.items]
    if unknown:
        raise StudyError(
            f"Item '{unknown[0]}' is not in the bank '{bank.id}'.",
            where=f"{study.path}, [items] include",
            mend=f"The bank has: {', '.join(bank.items)}.",
        )
    return replace(bank, items={name: bank.items[name] for name in study.items.include})


def load_study_data(study: Study) -> tuple[ItemBank, Dataset]:
    """Items and data of a study.

    Raises
    ------
    StudyError, ItemError, DataError
        What is wrong with them, with file and row.
    """
    whole = _whole_bank(study)
    bank = _narrowed(study, whole)
    dataset = _dataset(study, whole, bank)
    if study.data.wordings is None:
        return bank, dataset
    require_files(study)
    points = {name: item.scores for name, item in whole.items.items()}
    return bank, load_wordings(study.file(study.data.wordings), dataset, points)


def _dataset(study: Study, whole: ItemBank, bank: ItemBank) -> Dataset:
    if study.data.source == "simulate":
        return _simulate(study, bank)
    require_files(study)
    assert study.data.responses is not None and study.data.ratings is not None  # the study's rules
    dataset = load_dataset(
        study.file(study.data.responses),
        study.file(study.data.ratings),
        study.file(study.data.persons) if study.data.persons else None,
        {name: item.scores for name, item in whole.items.items()},
    )
    if study.items.include:
        dataset = dataset.keep_items(list(bank.items))
    if study.plant is None:
        return dataset
    plant = study.plant
    return plant_wording(
        dataset,
        derive_seed(study.study.seed, "plant"),
        share=plant.share,
        lower_probability=plant.lower_probability,
        lower_by=plant.lower_by,
        true_rater=plant.true_rater or None,
        panel_lower_probability=plant.panel_lower_probability,
    )


def _simulate(study: Study, bank: ItemBank) -> Dataset:
    phrases = load_phrases(bank.folder / "phrases")
    missing = [name for name in bank.items if name not in phrases]
    if missing:
        raise StudyError(
            f"Item '{missing[0]}' has no phrase bank, so its responses cannot be simulated.",
            where=f"{bank.folder / 'phrases'}",
            mend="Add phrases/<item>.toml, or narrow [items] include.",
        )
    assert study.simulation is not None  # filled in by the study's rules
    settings = study.simulation.model_dump()
    persons = settings.pop("persons")
    return simulate_sjt(
        {name: phrases[name] for name in bank.items},
        persons,
        derive_seed(study.study.seed, "simulate"),
        **settings,
    )
