"""A system small enough to see through: two towers with dropout, one sum and one comparison."""

from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trivium.config import Settings
from trivium.data.batch import Batch
from trivium.objectives.terms import Pairs, Term


class ToySettings(Settings):
    """Of the toy."""

    width: int = 8
    dropout: float = 0.2


def whole_batch_loss(a, b, ids, scale):
    """InfoNCE one way, equal ids left out of the negatives."""
    logits = scale * a @ b.T
    same = (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool)
    return F.cross_entropy(logits.masked_fill(same, -torch.inf), torch.arange(len(ids)))


class Toy(nn.Module):
    """`match` compares x with y, `recover` predicts the text's length from the text."""

    roles: ClassVar = {"rows": ("text",)}
    objectives: ClassVar = ("match", "recover")
    pair_objectives: ClassVar = ("match",)

    def __init__(self, settings: ToySettings) -> None:
        super().__init__()
        self.settings = settings
        self.left = nn.Linear(16, settings.width)
        self.right = nn.Linear(16, settings.width)
        self.head = nn.Linear(settings.width, 1)
        self.dropout = nn.Dropout(settings.dropout)
        self.log_scale = nn.Parameter(torch.ones(1))

    def prepare(self, parts, generator):
        batch = parts["rows"]
        x = np.zeros((len(batch), 16), np.float32)
        for row, text in enumerate(batch.texts):
            for byte in text.encode():
                x[row, byte % 16] += 0.3
        inputs = {"x": torch.from_numpy(x), "ids": torch.from_numpy(batch.rows.copy()),
                  "length": torch.tensor([float(len(text)) for text in batch.texts])}  # fmt: skip
        counts = {"match": len(batch), "recover": len(batch)}
        return {"rows": batch.with_inputs(counts, **inputs)}

    def forward(self, parts, active):
        batch = parts["rows"]
        x = self.dropout(batch.inputs["x"])

        def match():
            a, b = F.normalize(self.left(x), dim=1), F.normalize(self.right(x.flip(1)), dim=1)
            return Pairs(a, b, batch.inputs["ids"], self.log_scale.exp(), whole_batch_loss)

        def recover():
            guess = self.head(self.left(x)).squeeze(1)
            return Term(((guess - 0.1 * batch.inputs["length"]) ** 2).sum())

        terms = {"match": match, "recover": recover}
        return {name: terms[name]() for name in active}


def toy_parts(rows, seed):
    """One micro with random contents; some ids stand for the same item."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {
        "x": torch.randn(rows, 16, generator=generator),
        "ids": torch.randint(0, 20, (rows,), generator=generator),
        "length": torch.rand(rows, generator=generator),
    }
    ids = tuple(f"{seed}-{row}" for row in range(rows))
    batch = Batch(ids, np.arange(rows), inputs=inputs, counts={"match": rows, "recover": rows})
    return {"rows": batch}
