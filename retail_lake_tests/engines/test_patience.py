"""Pauses between two looks at a service: they grow, up to a bound, and no two callers keep step."""

from __future__ import annotations

import random
from itertools import islice, pairwise

import pytest
from hypothesis import given, strategies

from retail_lake.engines.patience import pauses


@given(longest=strategies.floats(0.01, 3600), seed=strategies.integers(0, 2**32))
def test_pauses_double_up_to_the_longest_and_are_cut_by_half_at_most(longest: float, seed: int) -> None:
    random.seed(seed)
    waits = list(islice(pauses(longest), 12))
    whole = [longest / 16, longest / 8, longest / 4, longest / 2, *[longest] * 8]
    for n, (wait, most) in enumerate(zip(waits, whole, strict=True)):
        assert most / 2 <= wait <= most * (1 + 1e-9), (n, waits)


@pytest.mark.parametrize("n", [0, 2, 20])
def test_callers_that_began_together_drift_apart(n: int) -> None:
    random.seed(7)
    waits = sorted(next(islice(pauses(16.0), n, None)) for _ in range(200))
    most = min(2.0**n, 16.0)
    assert waits[0] < 0.55 * most and waits[-1] > 0.95 * most
    assert max(later - sooner for sooner, later in pairwise(waits)) < 0.05 * most, "they come in crowds"
