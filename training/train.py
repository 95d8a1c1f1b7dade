"""Distils the teachers' token vectors into the student.

    python train.py --data work/pool.jsonl:work/teacher --start <PyLate folder> --out work/model --minutes 60

Targets: the learnt head W (192 -> 128, see `learn_head`) over the teacher's vectors, unit length. Two losses:
`1 - cosine` of every token, and KL(softmax(T / t) || softmax(S / t)) over the documents of a batch, where a score is
the mean over query tokens of the best document token. Scores stay raw: rescaling each list to [0, 1] (min-max), as some
recipes do, leaves tokens free to collapse into one direction, and MUVERA needs them apart. A batch is made of groups of
neighbouring documents, so that negatives are hard without encoding more.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from student import Student, Text, load_student, pad, save_weights


class Shards:
    """Records of a pool with their teacher vectors; grows as `teacher.py` writes more shards."""

    def __init__(self, specification: str):
        pool, folder = specification.split(":")
        self.folder, self.next = Path(folder), 0
        with open(pool, encoding="utf-8") as file:
            self.waiting = [{k: r[k] for k in ("src", "d", "q")} for r in map(json.loads, file)]

    def more(self, size=1000):
        """New (record, document vectors, [query vectors]) triples, in order."""
        while (path := self.folder / f"{self.next:04d}.npy").exists():
            vectors = np.load(path, mmap_mode="r")
            at = 0
            for r in self.waiting[self.next * size : (self.next + 1) * size]:
                spans = []
                for s in (r["d"], *r["q"]):
                    spans.append(vectors[at : at + len(s)])
                    at += len(s)
                yield r, spans[0], spans[1:]
            assert at == len(vectors)
            self.next += 1


class Data:
    def __init__(self, specifications, skip, hold_out):
        self.shards = [Shards(s) for s in specifications]
        self.skip = np.array(sorted(skip))
        self.items, self.held_out, self.means, self.lists = [], [], [], []
        self.hold_out = hold_out
        self.grow()

    def grow(self):
        """Takes in new shards and finds every document's neighbours again."""
        before = len(self.items)
        for shards in self.shards:
            for r, d, q in shards.more():
                keep = ~np.isin(r["d"], self.skip)
                if keep.sum() < 5:
                    continue
                item = (np.array(r["d"]), [np.array(s) for s in r["q"]], d, q, keep)
                if r["src"] == "vocabulary":
                    self.lists.append(item)
                    continue
                if len(self.held_out) < self.hold_out:
                    self.held_out.append(item)
                    continue
                self.items.append(item)
                mean = d[keep].astype(np.float32).mean(axis=0)
                self.means.append(mean / np.linalg.norm(mean))
        if len(self.items) > before:
            self.neighbours = self._neighbours(torch.tensor(np.stack(self.means)))
        return len(self.items) - before

    @staticmethod
    def _neighbours(means, k=24):
        means = F.normalize(means - means.mean(0), dim=1)
        return torch.cat([(block @ means.T).topk(k + 1).indices for block in means.split(1024)])

    def batch(self, random, groups, size, lists=0):
        """`groups` seeds with `size - 1` of their neighbours each, without repeats, and some vocabulary lists."""
        chosen = []
        for seed in random.integers(len(self.items), size=groups):
            near = self.neighbours[seed].numpy()
            chosen += [seed, *random.choice(near[1:], size - 1, replace=False)]
        extra = random.integers(len(self.lists), size=lists) if self.lists else []
        return [self.items[i] for i in dict.fromkeys(int(c) for c in chosen)] + [self.lists[i] for i in extra]


def targets(vectors, head):
    return F.normalize(torch.from_numpy(np.concatenate(vectors).astype(np.float32)) @ head.T, dim=-1)


def best_tokens(queries, documents, counts):
    """For each query token and document, the index of the best document token: [query tokens, documents]."""
    similarity = documents.bfloat16() @ queries.bfloat16().T
    starts = np.cumsum([0, *counts[:-1]])
    return torch.stack([part.max(dim=0).indices + int(s) for part, s in zip(similarity.split(list(counts)), starts)], dim=1)


def scores(queries, documents, best, owner, n):
    """Mean over query tokens of the best similarity: [queries, documents]."""
    tokens = (F.embedding(best, documents) * queries[:, None]).sum(-1)
    total = torch.zeros(n, best.shape[1]).index_add(0, owner, tokens)
    return total / torch.bincount(owner, minlength=n)[:, None]


def in_batch_scores(queries, owner, n, documents, counts):
    with torch.no_grad():
        best = best_tokens(queries, documents, counts)
    return scores(queries, documents, best, owner, n)


def learn_head(data, dim, steps, seed, tau=0.05):
    """W: the teacher's vectors -> `dim`, by InfoNCE on (query, passage) pairs; starts as the first PCA directions."""
    random = np.random.default_rng(seed)
    width = data.items[0][2].shape[1]
    head = torch.eye(dim, width).requires_grad_()
    optimizer = torch.optim.Adam([head], lr=2e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        items = data.batch(random, 8, 4)
        counts = [int(i[4].sum()) for i in items]
        documents = targets([i[2][i[4]] for i in items], head)
        queries = targets([i[3][0] for i in items], head)
        owner = torch.repeat_interleave(torch.arange(len(items)), torch.tensor([len(i[3][0]) for i in items]))
        s = in_batch_scores(queries, owner, len(items), documents, counts)
        # staying near an orthogonal map keeps inner products, and with them the teacher's ranking
        loss = F.cross_entropy(s / tau, torch.arange(len(items))) + 0.02 * (head @ head.T - torch.eye(dim)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            right = (s.argmax(1) == torch.arange(len(items))).float().mean()
            print(f"head {step} loss {loss.item():.4f} accuracy {right:.3f}", flush=True)
    return head.detach()


def run_student(student, sequences, group=16, bf16=False):
    """Unit vectors of all tokens, concatenated in the order given; padded in groups of similar length."""
    lengths = np.array([len(s) for s in sequences])
    order = np.argsort(lengths)
    parts, rows, at_row = [], [None] * len(sequences), 0
    for at in range(0, len(order), group):
        chosen = order[at : at + group]
        ids, mask = pad([sequences[i] for i in chosen])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            parts.append(student(ids, mask).flatten(0, 1))
        for row, i in enumerate(chosen):
            rows[i] = np.arange(lengths[i]) + at_row + row * ids.shape[1]
        at_row += ids.numel()
    return F.normalize(F.embedding(torch.from_numpy(np.concatenate(rows)), torch.cat(parts).float()), dim=-1)


def losses(student, items, head, tau, random=None, bf16=False):
    """(token loss, KL, how often both rank the same document first) of a batch."""
    picks = [(i, k) for i, item in enumerate(items) for k in range(len(item[1]))]
    if random is not None and len(picks) > 80:
        picks = [picks[j] for j in random.choice(len(picks), 80, replace=False)]
    d_ids, q_ids = [i[0] for i in items], [items[i][1][k] for i, k in picks]
    counts = [int(i[4].sum()) for i in items]
    kept = torch.from_numpy(np.flatnonzero(np.concatenate([i[4] for i in items])))
    owner = torch.repeat_interleave(torch.arange(len(picks)), torch.tensor([len(s) for s in q_ids]))
    d = run_student(student, d_ids, 16, bf16)
    q = run_student(student, q_ids, 48, bf16)
    with torch.no_grad():
        td, tq = targets([i[2] for i in items], head), targets([items[i][3][k] for i, k in picks], head)
        t = in_batch_scores(tq, owner, len(picks), td[kept], counts)
    s = in_batch_scores(q, owner, len(picks), F.embedding(kept, d), counts)
    token = (1 - (d * td).sum(1)).mean() + (1 - (q * tq).sum(1)).mean()
    kl = F.kl_div(F.log_softmax(s / tau, 1), F.log_softmax(t / tau, 1), log_target=True, reduction="batchmean")
    return token, kl, (s.argmax(1) == t.argmax(1)).float().mean()


@torch.no_grad()
def held_out(student, data, head, tau):
    total = np.zeros(3)
    parts = [data.held_out[i : i + 40] for i in range(0, len(data.held_out), 40)]
    for part in parts:
        total += [x.item() / len(parts) for x in losses(student, part, head, tau)]
    return total.round(4).tolist()


def fit_dense(student, data, head, n=400):
    """The Dense layer in closed form (ridge) from the start's hidden states to the targets."""
    dense, student.dense = student.dense, torch.nn.Identity()
    with torch.no_grad():
        items = data.items[:n]
        x = torch.cat([student(*pad([i[0]]))[0] for i in items] + [student(*pad([i[1][0]]))[0] for i in items])
        y = targets([i[2] for i in items] + [i[3][0] for i in items], head)
        dense.weight.copy_(torch.linalg.solve(x.T @ x + 1e-3 * len(x) * torch.eye(x.shape[1]), x.T @ y).T)
    student.dense = dense


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="pool.jsonl:folder of teacher shards")
    parser.add_argument("--start", type=Path, required=True, help="PyLate folder: first weights and tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path("work/model"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=0, help="instead of --minutes: reproducible to the step")
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--group-size", type=int, default=6)
    parser.add_argument("--lists", type=int, default=8, help="vocabulary lists a batch")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--tau", type=float, default=0.03)
    parser.add_argument("--token-weight", type=float, default=4.0)
    parser.add_argument("--kl-weight", type=float, default=1.0)
    parser.add_argument("--head-steps", type=int, default=300)
    parser.add_argument("--hold-out", type=int, default=400)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = Text(arguments.start / "tokenizer.json")
    data = Data(arguments.data, text.skip, arguments.hold_out)
    print(len(data.items), "documents", flush=True)
    before = arguments.start / "head.npy"
    head = torch.from_numpy(np.load(before)) if before.exists() else learn_head(data, 128, arguments.head_steps, arguments.seed)
    np.save(arguments.out / "head.npy", head.numpy())

    student = load_student(arguments.start)
    if not (arguments.start / "head.npy").exists():  # else a run that goes on
        fit_dense(student, data, head)
    print("start, held out (token, kl, agreement):", held_out(student, data, head, arguments.tau), flush=True)
    matrices = [p for n, p in student.named_parameters() if p.ndim == 2]
    vectors = [p for n, p in student.named_parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
        lr=arguments.lr, betas=(0.9, 0.98), fused=True,
    )
    average = {k: v.clone() for k, v in student.state_dict().items()}
    start, step, tokens, report, log = time.time(), 0, 0, time.time(), np.zeros(3)
    since = 0
    while True:
        progress = step / arguments.steps if arguments.steps else (time.time() - start) / 60 / arguments.minutes
        if progress >= 1:
            break
        rate = arguments.lr * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        items = data.batch(random, arguments.groups, arguments.group_size, arguments.lists)
        token, kl, agreement = losses(student, items, head, arguments.tau, random, arguments.bf16)
        loss = arguments.token_weight * token + arguments.kl_weight * kl
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 2.0)
        optimizer.step()
        step += 1
        since += 1
        tokens += sum(len(i[0]) for i in items)
        log += [token.item(), kl.item(), agreement.item()]
        decay = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in student.state_dict().items():
                average[k].lerp_(v, 1 - decay)
        if time.time() - report > 240:
            other = Student()
            other.load_state_dict(average)
            print(
                f"step {step} {tokens / 1e6:.2f} M tokens {time.time() - start:.0f} s lr {rate:.2e} "
                f"train {(log / since).round(4).tolist()} "
                f"held out, averaged {held_out(other, data, head, arguments.tau)}", flush=True,
            )
            save_weights(average, arguments.out, torch.float32)
            log[:], since, report = 0, 0, time.time()
            if data.grow():
                print(len(data.items), "documents", flush=True)
    save_weights(average, arguments.out, torch.float32)
    other = Student()
    other.load_state_dict(average)
    final = held_out(other, data, head, arguments.tau)
    print(f"end: step {step}, {tokens / 1e6:.2f} M document tokens, held out, averaged {final}")


if __name__ == "__main__":
    main()
