import json
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.toy import Toy, ToySettings, toy_parts, whole_batch_loss
from trivium.errors import TriviumError
from trivium.training.step import StepSeed, train_step

SEED = StepSeed(run=3, step=11)


def toy():
    torch.manual_seed(0)
    return Toy(ToySettings()).double().train()


def doubled(parts):
    batch = parts["rows"]
    inputs = {n: t.double() if t.is_floating_point() else t for n, t in batch.inputs.items()}
    return {"rows": batch.with_inputs(batch.counts, **inputs)}


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def slow_step(model, micros, weights):
    """Everything in one graph: no replay, no shares."""
    made = []
    for number, parts in enumerate(micros):
        SEED.begin(number)
        made.append(model(parts, tuple(weights)))
    total = 0.0
    losses = {}
    if "recover" in weights:
        rows = sum(parts["rows"].counts["recover"] for parts in micros)
        losses["recover"] = sum(terms["recover"].sum for terms in made) / rows
    if "match" in weights:
        a, b, ids = (torch.cat([getattr(terms["match"], name) for terms in made])
                     for name in ("a", "b", "ids"))  # fmt: skip
        losses["match"] = whole_batch_loss(a, b, ids, made[0]["match"].scale)
    for name, loss in losses.items():
        total = total + weights[name] * loss
    total.backward()
    return {name: loss.item() for name, loss in losses.items()}


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    weights=st.fixed_dictionaries(
        {}, optional={"match": st.floats(0.1, 3), "recover": st.floats(0.1, 3)}
    ).filter(bool),
)
def test_micros_with_dropout_equal_one_graph(sizes, weights):
    micros = [doubled(toy_parts(size, seed)) for seed, size in enumerate(sizes)]
    slow, fast = toy(), toy()
    expected = slow_step(slow, micros, weights)
    losses = train_step(fast, micros, weights, SEED)
    assert losses == pytest.approx(expected, rel=1e-6)
    ours, theirs = gradients(fast), gradients(slow)
    assert ours.keys() == theirs.keys()
    for name, grad in theirs.items():
        torch.testing.assert_close(ours[name], grad, rtol=1e-9, atol=1e-12)


def test_dropout_differs_between_micros_and_steps():
    model, parts = toy(), doubled(toy_parts(4, 0))
    losses = []
    for step, number in ((0, 0), (0, 1), (1, 0), (0, 0)):
        StepSeed(0, step).begin(number)
        losses.append(model(parts, ("recover",))["recover"].sum.item())
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_a_count_of_nothing_is_named():
    parts = toy_parts(3, 0)
    empty = {"rows": parts["rows"].with_inputs({"recover": 0})}
    with pytest.raises(TriviumError, match="counted 0 items for 'recover'"):
        train_step(Toy(ToySettings()), [empty], {"recover": 1.0}, SEED)


def test_shares_of_a_system_wait_for_no_device_that_has_nothing_to_say():
    class Sharded(Toy):
        def set_requires_gradient_sync(self, last):
            """As FSDP2 gives it to a system."""

    model, full, weights = Sharded(ToySettings()), toy_parts(3, 0), {"recover": 1.0}
    train_step(model, [full], weights, SEED)
    with pytest.raises(TriviumError, match="1 micros of a step have no row for 'recover', and und"):
        train_step(model, [full, {}], weights, SEED)


def test_pairs_that_are_not_announced_are_refused():
    class Silent(Toy):
        pair_objectives = ()

    with pytest.raises(TriviumError, match="'match' gave pairs, and is not among"):
        train_step(Silent(ToySettings()), [toy_parts(3, 0), toy_parts(2, 1)], {"match": 1.0}, SEED)


RANK = """
import json, os, sys
import torch
import torch.distributed as dist
from tests.training.test_step import SEED, doubled, gradients, toy
from tests.conftest import free_port
from tests.training.toy import toy_parts
from trivium.training.place import Place
from trivium.training.step import train_step

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(toy(), find_unused_parameters=True)
micros = [doubled(toy_parts(size, seed)) for seed, size in enumerate(json.loads(sys.argv[1]))]
weights = {"match": 1.5, "recover": 0.5}
passes = []
model.module.register_forward_hook(lambda *_: passes.append(1))
losses = train_step(model, micros[rank::world], weights, SEED, Place(rank, world))
grads = {name: grad.tolist() for name, grad in gradients(model.module).items()}
print(json.dumps({"losses": losses, "grads": grads, "passes": len(passes)}))
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("sizes", "passes"), [([3, 5, 1, 4], 4), ([3, 5], 1)])
def test_two_processes_make_the_gradients_of_one(sizes, passes):
    """A device with several micros makes a pass over each before those that make gradients."""
    environment = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    environment["MASTER_PORT"] = str(20_000 + os.getpid() % 20_000)
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, json.dumps(sizes)], text=True,
                         env=environment | {"RANK": str(rank)}, stdout=subprocess.PIPE)
        for rank in range(2)
    ]  # fmt: skip
    told = [json.loads(process.communicate(timeout=120)[0]) for process in ranks]
    micros = [doubled(toy_parts(size, seed)) for seed, size in enumerate(sizes)]
    alone = toy()
    losses = train_step(alone, micros, {"match": 1.5, "recover": 0.5}, SEED)
    for rank in told:
        assert rank["passes"] == passes
        assert rank["losses"] == pytest.approx(losses, rel=1e-6)
        for name, grad in gradients(alone).items():
            torch.testing.assert_close(torch.tensor(rank["grads"][name], dtype=torch.float64), grad,
                                       rtol=1e-9, atol=1e-12)  # fmt: skip
