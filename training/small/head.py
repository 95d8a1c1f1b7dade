"""Trains the Dense layer of model-small, and with `--feed-forward` what stands before it, too.

    python small/head.py --tokenizer $LAYOUT/tokenizer.json --out work/small/head
    python small/head.py --tokenizer $LAYOUT/tokenizer.json --feed-forward --start work/small/head --out work/small/model

Everything below the trained part is read from `states.py`'s shards. A batch is made of groups of neighbouring passages
(mean MiniLM vectors) with a query each. Three losses, on raw scores (means over query tokens of the best similarity):
KL(softmax(T / t) || softmax(S / t)) over the passages of a batch, T the teachers' scores; the squared error of each
query token's maxima against MiniLM's own 384 numbers; and the cross-entropy of the query's own passage.
Each `--check` steps the development set is asked, and the best weights so far are kept (`best.pt`).
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import Development, maxima, means, read_items, tensor
from minilm import SHAPE, WHEEL, last_feed_forward, load_minilm
from student import Text, save_weights


class Batches:
    def __init__(self, items, seed):
        self.items, self.random = items, np.random.default_rng(seed)
        own = [F.normalize(tensor([i.states[0][:, 1]]), dim=-1).mean(0) for i in items]
        own = F.normalize(torch.stack(own), dim=1)
        own = F.normalize(own - own.mean(0), dim=1)
        self.near = torch.cat([(block @ own.T).topk(min(25, len(items))).indices for block in own.split(1024)]).numpy()

    def next(self, groups, size):
        """Distinct items, and one of the queries of each."""
        chosen = []
        for seed in self.random.integers(len(self.items), size=groups):
            chosen += [seed, *self.random.choice(self.near[seed][1:], size - 1, replace=False)]
        items = [self.items[i] for i in dict.fromkeys(int(c) for c in chosen)]
        return items, [1 + int(self.random.integers(len(i.record["q"]))) for i in items]


def run(student, states, feed_forward):
    """Vectors of the student from MiniLM's cached states: [tokens, dim] of all sequences one after another."""
    if feed_forward:
        hidden = last_feed_forward(student, tensor([s[:, 0] for s in states]))
    else:
        hidden = tensor([s[:, 1] for s in states])
    return F.normalize(student.dense(hidden), dim=-1)


@torch.no_grad()
def prepared(items, picks, arguments):
    """A batch: its sequences, and what the teachers say of them, which no step of the training changes."""
    keep = torch.from_numpy(np.concatenate([i.keep for i in items]))
    counts = [int(i.keep.sum()) for i in items]
    queries = [i.states[k] for i, k in zip(items, picks)]
    owner, n = torch.repeat_interleave(torch.arange(len(items)), torch.tensor([len(q) for q in queries])), len(items)
    documents = F.normalize(tensor([i.states[0][:, 1] for i in items])[keep], dim=-1)
    own = maxima(F.normalize(tensor([q[:, 1] for q in queries]), dim=-1), documents, counts)
    target = arguments.teachers[0] * means(own, owner, n) / arguments.tau[0]
    if arguments.teachers[1]:
        tq, td = tensor([i.teacher[k] for i, k in zip(items, picks)]), tensor([i.teacher[0] for i in items])[keep]
        target += arguments.teachers[1] * means(maxima(tq, td, counts), owner, n) / arguments.tau[1]
    return [i.states[0] for i in items], queries, keep, counts, owner, own, F.log_softmax(target, 1)


def losses(student, batch, arguments):
    documents, queries, keep, counts, owner, own, target = batch
    n = len(queries)
    d = run(student, documents, arguments.feed_forward)[keep]
    m = maxima(run(student, queries, arguments.feed_forward), d, counts)
    s = means(m, owner, n) / arguments.student_tau
    kl = F.kl_div(F.log_softmax(s, 1), target, log_target=True, reduction="batchmean")
    right = F.cross_entropy(s, torch.arange(n))
    return kl, (m - own).square().mean(), right, (s.argmax(1) == torch.arange(n)).float().mean()


@torch.no_grad()
def check(student, development, feed_forward):
    student.eval()
    spans = [i.states[0] for i in development.items]
    documents = []
    for at in range(0, len(spans), 200):
        part = run(student, spans[at : at + 200], feed_forward).split([len(s) for s in spans[at : at + 200]])
        documents += [v[torch.from_numpy(i.keep)] for v, i in zip(part, development.items[at : at + 200])]
    asked = [development.items[i].states[k + 1] for i, k in development.asked]
    queries = list(run(student, asked, feed_forward).split([len(s) for s in asked]))
    return development.score(queries, documents)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, default=Path("work/pool.jsonl"))
    parser.add_argument("--data", type=Path, default=Path("work/small/pool"))
    parser.add_argument("--dev", type=Path, default=Path("work/small/dev.jsonl"), help="its states are in the folder of this name")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--minilm", type=Path, default=Path("work") / WHEEL)
    parser.add_argument("--out", type=Path, default=Path("work/small/model"))
    parser.add_argument("--start", type=Path, help="folder with the best.pt of an earlier run; else PCA")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--feed-forward", action="store_true", help="train the last layer's feed-forward part, too")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--check", type=int, default=100)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--group-size", type=int, default=6)
    parser.add_argument("--batches", type=int, default=150, help="made once, and gone through again and again")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--feed-forward-share", type=float, default=0.2, help="of the learning rate")
    parser.add_argument("--teachers", type=float, nargs=2, default=[0.5, 0.5], help="share of MiniLM, bge-small")
    parser.add_argument("--tau", type=float, nargs=2, default=[0.03, 0.02])
    parser.add_argument("--student-tau", type=float, default=0.03)
    parser.add_argument("--weights", type=float, nargs=3, default=[1.0, 8.0, 0.0], help="of KL, squared error, cross-entropy")
    parser.add_argument("--limit", type=int, default=10**9, help="passages")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    text = Text(arguments.tokenizer)
    items = read_items(arguments.pool, arguments.data, text.skip, arguments.limit, arguments.teachers[1] > 0)
    items = [i for i in items if i.keep.sum() >= 5]
    development = Development(read_items(arguments.dev, arguments.dev.with_suffix(""), text.skip))
    student = load_minilm(arguments.minilm, arguments.dim)
    if arguments.start:
        student.load_state_dict(torch.load(arguments.start / "best.pt"))
    else:
        with torch.no_grad():  # PCA of unit vectors: the directions that keep most of the inner products
            x = F.normalize(tensor([i.states[0][:, 1] for i in items[:1000]]), dim=-1)
            student.dense.weight.copy_(torch.linalg.eigh(x.T @ x).eigenvectors.flip(1)[:, : arguments.dim].T)
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(len(items), "passages,", len(development.asked), "development queries", flush=True)

    last = student.layers[-1]
    trained = [p for part in (last.up, last.down, last.norm2) for p in part.parameters()] if arguments.feed_forward else []
    for p in student.parameters():
        p.requires_grad_(False)
    for p in [*trained, student.dense.weight]:
        p.requires_grad_(True)
    rates = [{"params": [student.dense.weight], "share": 1.0}, {"params": trained, "share": arguments.feed_forward_share}]
    optimizer = torch.optim.AdamW([r for r in rates if r["params"]], lr=arguments.lr, weight_decay=0.0, betas=(0.9, 0.98))
    moving = {k: v for k, v in student.named_parameters() if v.requires_grad}
    average = {k: v.detach().clone() for k, v in moving.items()}
    started = time.time()
    batches = Batches(items, arguments.seed)
    made = [prepared(*batches.next(arguments.groups, arguments.group_size), arguments) for _ in range(arguments.batches)]
    print(f"{len(made)} batches after {time.time() - started:.0f} s", flush=True)
    best, log = -1.0, []
    for step in range(arguments.steps + 1):
        if step % arguments.check == 0:
            live = {k: v.detach().clone() for k, v in moving.items()}
            student.load_state_dict(average, strict=False)
            result = check(student, development, arguments.feed_forward)
            if result["mean"] > best:
                best = result["mean"]
                torch.save(student.state_dict(), arguments.out / "best.pt")
            student.load_state_dict(live, strict=False)
            print(step, f"{time.time() - started:.0f} s", np.mean(log, 0).round(4).tolist() if log else "", json.dumps(result), flush=True)
            log = []
        if step == arguments.steps:
            break
        rate = min(1, (step + 1) / 30) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * rate * group["share"]
        parts = losses(student, made[step % len(made)], arguments)
        loss = sum(w * part for w, part in zip(arguments.weights, parts))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append([p.item() for p in parts])
        decay = min(0.98, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in moving.items():
                average[k].lerp_(v, 1 - decay)
    student.load_state_dict(torch.load(arguments.out / "best.pt"))
    save_weights(student.state_dict(), arguments.out, torch.float32, SHAPE["layers"])


if __name__ == "__main__":
    main()
