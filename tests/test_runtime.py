import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.runtime import derive_seed

PARTS = st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=4)


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(0, "mask", 3, "u1") == 2238145772860695775


@given(PARTS, PARTS)
def test_different_parts_give_different_seeds(first, second):
    assert (derive_seed(*first) == derive_seed(*second)) == (first == second)


@given(PARTS)
def test_seeds_suit_torch_and_numpy(parts):
    assert 0 <= derive_seed(*parts) < 2**63


def test_joining_parts_is_not_the_same_as_splitting_them():
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert derive_seed(1) != derive_seed("1")


def test_numpys_whole_numbers_are_the_same_numbers():
    assert derive_seed(np.int64(3), "a") == derive_seed(3, "a")
    with pytest.raises(TypeError):
        derive_seed(3.0)
