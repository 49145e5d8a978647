"""The spaces of the search: what they propose fits the recipe, and comes back from Optuna's storage as it was."""

from typing import Any

import pytest
from ray.tune.search.sample import Categorical

from experiments.recipe_search import SPACES
from orchestrator.plan import overrides
from orchestrator.plan.recipes import RECIPES


@pytest.mark.parametrize(("name", "values"), [(n, v) for space in SPACES.values() for n, v in space.items()])
def test_a_space_proposes_what_a_recipe_has_and_a_storage_keeps(name: str, values: Any) -> None:
    choices = values.categories if isinstance(values, Categorical) else [values.lower, values.upper]
    for choice in choices:
        assert isinstance(choice, str | int | float | None)
        overrides.apply(RECIPES["tuned"], {name: choice})
