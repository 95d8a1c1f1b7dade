"""Passages with what `states.py` made of them, and their scores against each other."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from minilm import without_marker
from states import SHARD, records_of, sequences_of


@dataclass
class Item:
    """One passage with its queries. `states` [tokens, 2, 384] and `teacher` [tokens, 384] of each sequence, the passage first.

    `teacher` is empty where the second teacher has not been asked.
    """

    record: dict
    states: list
    teacher: list
    keep: np.ndarray  # the passage's tokens that are no punctuation


def read_items(pool, folder, skip, limit=10**9, second_teacher=False):
    """The items of the shards that are there, with the second teacher's vectors if they are asked for."""
    skip, items = np.array(sorted(skip)), []
    records = records_of(pool, limit)
    for shard in range(-(-len(records) // SHARD)):
        files = [folder / f"{shard:04d}.{kind}.npy" for kind in ("states", *["teacher"] * second_teacher)]
        if not all(f.exists() for f in files):
            continue
        states, *teacher = (np.load(f, mmap_mode="r") for f in files)
        at = 0
        for record in records[shard * SHARD : (shard + 1) * SHARD]:
            spans = []
            for s in sequences_of(record):
                size = len(without_marker(s))
                spans.append(slice(at, at + size))
                at += size
            keep = ~np.isin(without_marker(record["d"]), skip)
            items.append(Item(record, [states[s] for s in spans], [t[s] for t in teacher for s in spans], keep))
        assert all(at == len(values) for values in (states, *teacher))
    return items


def tensor(arrays):
    return torch.from_numpy(np.concatenate(arrays).astype(np.float32))


def best(queries, documents, counts):
    """For each query token and document, the index of the best document token: [query tokens, documents]."""
    with torch.no_grad():
        similarity = documents @ queries.T
        starts = np.cumsum([0, *counts[:-1]])
        return torch.stack([p.argmax(0) + int(s) for p, s in zip(similarity.split(list(counts)), starts)], 1)


def maxima(queries, documents, counts):
    """For each query token, its best similarity in each document: [query tokens, documents]. Gradients go to the best tokens."""
    return (F.embedding(best(queries, documents, counts), documents) * queries[:, None]).sum(-1)


def means(values, owner, n):
    """Rows averaged by owner: [n, columns]."""
    return torch.zeros(n, values.shape[1]).index_add(0, owner, values) / torch.bincount(owner, minlength=n)[:, None]


class Development:
    """The held-out passages. A query is asked among the passages that MiniLM's mean vectors find nearest, and its own."""

    def __init__(self, items, candidates=48):
        self.items = items
        self.asked = [(i, k) for i, item in enumerate(items) for k in range(len(item.record["q"]))]
        self.groups = [f"{items[i].record['kinds'][k]} {items[i].record['src']}" for i, k in self.asked]
        own = torch.tensor([i for i, _ in self.asked])
        documents = torch.stack([mean(i.states[0]) for i in items])
        near = (torch.stack([mean(items[i].states[k + 1]) for i, k in self.asked]) @ documents.T).topk(candidates).indices
        near = near.masked_fill(near == own[:, None], -1)  # its own comes first, once
        self.near = torch.cat([own[:, None], near], 1)

    def score(self, queries, documents):
        """nDCG@10 by exact MaxSim: {'mean': …, 'natural': …, 'sentence': …, and by source}."""
        gains = []
        for query, near in zip(queries, self.near.tolist()):
            best = [float((documents[i] @ query.T).amax(0).sum()) for i in near if i >= 0]
            place = sum(s > best[0] for s in best[1:])
            gains.append(1 / np.log2(place + 2) if place < 10 else 0)
        gains, groups = np.array(gains), np.array(self.groups)
        by = {g: float(gains[groups == g].mean()) for g in sorted(set(self.groups))}
        # over queries, not over sources: of some there are six sentences
        kinds = {k: float(gains[[g.startswith(k) for g in self.groups]].mean()) for k in ("natural", "sentence")}
        return {"mean": round(sum(kinds.values()) / 2, 4)} | {k: round(v, 4) for k, v in (kinds | by).items()}


def mean(states):
    """MiniLM's own vector of a text, unit length."""
    return F.normalize(torch.from_numpy(states[:, 1].astype(np.float32)).mean(0), dim=0)
