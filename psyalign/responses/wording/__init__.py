"""A rule-based everyday wording of an answer that keeps its meaning.

The rules turn plain English into an informal, spoken-style variety: reduced forms
(gonna, wanna, cuz), spellings without apostrophes, non-standard grammar that is common
to many varieties of English (they was, he done it, double negatives) and everyday words.
They were written for the answers of MIND-CA, so they know its tokens ("did n't") and
frequent spellings of children ("becuse"). They stand for no real group of speakers.

The rules never touch digits and never replace a capitalised word by another word, save at
a conjunction, a pronoun or a verb form ("Because", "He is"), so names stay as they are.
"""

from psyalign.responses.wording.render import RULES, RenderingSummary, render, rendering_summary, rules_used
from psyalign.responses.wording.rule import Rule

__all__ = ["RULES", "RenderingSummary", "Rule", "render", "rendering_summary", "rules_used"]
