"""Distils the teachers' token vectors into the student.

    python train.py --data work/pool.jsonl:work/teacher --start work/start --out work/model --steps 4000 --bf16

Targets are those of `start.py` (`target.npz`), unit length. Two losses: `1 - cosine` of every token, and
KL(softmax(T / t) || softmax(S / t)) over the documents of a batch, where a score is the mean over query tokens of the
best document token. Scores stay raw: rescaling each list to [0, 1] (min-max), as some recipes do, leaves tokens free to
collapse into one direction, and MUVERA needs them apart. A batch is made of groups of neighbouring documents, so that
negatives are hard without encoding more.
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
            self.waiting = [
                (r["src"], np.array(r["d"], np.int32), [np.array(q, np.int32) for q in r["q"]]) for r in map(json.loads, file)
            ]

    def more(self, size=1000):
        """New (source, document, queries, document vectors, [query vectors]), in order."""
        while (path := self.folder / f"{self.next:04d}.npy").exists():
            vectors = np.load(path, mmap_mode="r")
            at = 0
            for source, document, queries in self.waiting[self.next * size : (self.next + 1) * size]:
                spans = []
                for s in (document, *queries):
                    spans.append(vectors[at : at + len(s)])
                    at += len(s)
                yield source, document, queries, spans[0], spans[1:]
            assert at == len(vectors)
            self.next += 1


class Data:
    """Items (document, [query, …], document vectors, [query vectors, …], mask without punctuation), held out or not."""

    def __init__(self, specifications, skip, hold_out, device="cpu"):
        self.shards = [Shards(s) for s in specifications]
        self.skip = np.array(sorted(skip))
        self.items, self.held_out, self.lists = [], [], []
        self.means, self.device = None, device
        self.hold_out = hold_out
        self.grow()

    def grow(self):
        """Takes in new shards; says how many documents came."""
        means = []
        for shards in self.shards:
            for source, document, queries, d, q in shards.more():
                keep = ~np.isin(document, self.skip)
                if keep.sum() < 5:
                    continue
                item = (document, queries, d, q, keep)
                if source == "vocabulary":
                    self.lists.append(item)
                elif len(self.held_out) < self.hold_out:
                    self.held_out.append(item)
                else:
                    self.items.append(item)
                    means.append(d[keep].astype(np.float32).mean(axis=0))
        if means:
            means = torch.from_numpy(np.stack(means))
            if self.means is None:
                centre = means.mean(0)
                self.turn = torch.linalg.svd(means - centre, full_matrices=False).Vh[:64].T
                self.centre = centre
            near = F.normalize((means - self.centre) @ self.turn, dim=1).to(self.device)
            self.means = near if self.means is None else torch.cat([self.means, near])
        return len(means)

    def batch(self, random, groups, size, lists=0, near=24):
        """`groups` seeds with `size - 1` of their nearest documents (mean vectors) each, without repeats, and vocabulary lists."""
        seeds = random.integers(len(self.items), size=groups)
        neighbours = (self.means[seeds] @ self.means.T).topk(near + 1).indices.cpu().numpy()
        chosen = []
        for seed, around in zip(seeds, neighbours):
            chosen += [seed, *random.choice(around[around != seed][:near], size - 1, replace=False)]
        extra = random.integers(len(self.lists), size=lists) if self.lists else []
        return [self.items[i] for i in dict.fromkeys(int(c) for c in chosen)] + [self.lists[i] for i in extra]


class Target:
    """What the student imitates: head @ (teacher vector - offset) at unit length, a last coordinate `sink[word piece]`
    beside it, and unit length again. Frequent pieces have a long sink: they all resemble one another a little, so that
    they add nearly the same to every document's score, and the rest of their vector counts less."""

    def __init__(self, offset, head, sink):
        self.offset, self.head, self.sink = offset, head, sink

    def __call__(self, vectors, pieces):
        device = self.head.device
        joint = torch.from_numpy(np.concatenate(vectors).astype(np.float32)).to(device)
        sink = self.sink[torch.from_numpy(np.concatenate(pieces)).to(device)]
        return F.normalize(torch.cat([F.normalize((joint - self.offset) @ self.head.T, dim=-1), sink[:, None]], dim=1), dim=-1)

    def to(self, device):
        return Target(self.offset.to(device), self.head.to(device), self.sink.to(device))

    def save(self, path):
        np.savez(path, offset=self.offset.numpy(), head=self.head.numpy(), sink=self.sink.numpy())

    @classmethod
    def load(cls, path):
        data = np.load(path)
        return cls(*(torch.from_numpy(data[name]) for name in ("offset", "head", "sink")))


def best_tokens(queries, documents, counts):
    """For each query token and document, the index of the best document token: [query tokens, documents]."""
    similarity = documents.bfloat16() @ queries.bfloat16().T
    starts = np.cumsum([0, *counts[:-1]])
    return torch.stack([part.max(dim=0).indices + int(s) for part, s in zip(similarity.split(list(counts)), starts)], dim=1)


def scores(queries, documents, best, owner, n):
    """Mean over query tokens of the best similarity: [queries, documents]."""
    tokens = (F.embedding(best, documents) * queries[:, None]).sum(-1)
    total = torch.zeros(n, best.shape[1], device=tokens.device).index_add(0, owner, tokens)
    return total / torch.bincount(owner, minlength=n)[:, None]


def in_batch_scores(queries, owner, n, documents, counts):
    with torch.no_grad():
        best = best_tokens(queries, documents, counts)
    return scores(queries, documents, best, owner, n)


def learn_head(data, target, steps, seed, tau=0.05):
    """A head like the target's, improved by InfoNCE on (query, passage) pairs."""
    random = np.random.default_rng(seed)
    head = target.head.clone().requires_grad_()
    optimizer = torch.optim.Adam([head], lr=2e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        items = data.batch(random, 8, 4)
        counts = [int(i[4].sum()) for i in items]
        current = Target(target.offset, head, target.sink)
        documents = current([i[2][i[4]] for i in items], [i[0][i[4]] for i in items])
        queries = current([i[3][0] for i in items], [i[1][0] for i in items])
        owner = torch.repeat_interleave(torch.arange(len(items)), torch.tensor([len(i[3][0]) for i in items]))
        s = in_batch_scores(queries, owner, len(items), documents, counts)
        # staying near an orthogonal map keeps inner products, and with them the teacher's ranking
        loss = F.cross_entropy(s / tau, torch.arange(len(items))) + 0.02 * (head @ head.T - torch.eye(len(head))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            right = (s.argmax(1) == torch.arange(len(items))).float().mean()
            print(f"head {step} loss {loss.item():.4f} accuracy {right:.3f}", flush=True)
    return Target(target.offset, head.detach(), target.sink)


def run_student(student, sequences, group=16, bf16=False):
    """Unit vectors of all tokens, concatenated in the order given; padded in groups of similar length."""
    device = student.dense.weight.device
    lengths = np.array([len(s) for s in sequences])
    order = np.argsort(lengths)
    parts, rows, at_row = [], [None] * len(sequences), 0
    for at in range(0, len(order), group):
        chosen = order[at : at + group]
        ids, mask = pad([sequences[i] for i in chosen], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            parts.append(student(ids, mask).flatten(0, 1))
        for row, i in enumerate(chosen):
            rows[i] = np.arange(lengths[i]) + at_row + row * ids.shape[1]
        at_row += ids.numel()
    return F.normalize(F.embedding(torch.from_numpy(np.concatenate(rows)).to(device), torch.cat(parts).float()), dim=-1)


def losses(student, items, target, tau, random=None, bf16=False):
    """(token loss, KL, how often both rank the same document first) of a batch."""
    picks = [(i, k) for i, item in enumerate(items) for k in range(len(item[1]))]
    if random is not None and len(picks) > 80:
        picks = [picks[j] for j in random.choice(len(picks), 80, replace=False)]
    d_ids, q_ids = [i[0] for i in items], [items[i][1][k] for i, k in picks]
    counts = [int(i[4].sum()) for i in items]
    device = student.dense.weight.device
    kept = torch.from_numpy(np.flatnonzero(np.concatenate([i[4] for i in items]))).to(device)
    owner = torch.repeat_interleave(torch.arange(len(picks)), torch.tensor([len(s) for s in q_ids])).to(device)
    d = run_student(student, d_ids, 16, bf16)
    q = run_student(student, q_ids, 48, bf16)
    with torch.no_grad():
        td, tq = target([i[2] for i in items], d_ids), target([items[i][3][k] for i, k in picks], q_ids)
        t = in_batch_scores(tq, owner, len(picks), td[kept], counts)
    s = in_batch_scores(q, owner, len(picks), F.embedding(kept, d), counts)
    token = (1 - (d * td).sum(1)).mean() + (1 - (q * tq).sum(1)).mean()
    kl = F.kl_div(F.log_softmax(s / tau, 1), F.log_softmax(t / tau, 1), log_target=True, reduction="batchmean")
    return token, kl, (s.argmax(1) == t.argmax(1)).float().mean()


@torch.no_grad()
def held_out(student, data, target, tau):
    total = np.zeros(3)
    parts = [data.held_out[i : i + 40] for i in range(0, len(data.held_out), 40)]
    for part in parts:
        total += [x.item() / len(parts) for x in losses(student, part, target, tau)]
    return total.round(4).tolist()


def fit_dense(student, data, target, n=400):
    """The Dense layer in closed form (ridge) from the start's hidden states to the targets."""
    dense, student.dense = student.dense, torch.nn.Identity()
    with torch.no_grad():
        items = data.items[:n]
        x = torch.cat([student(*pad([i[0]]))[0] for i in items] + [student(*pad([i[1][0]]))[0] for i in items])
        y = target([i[2] for i in items] + [i[3][0] for i in items], [i[0] for i in items] + [i[1][0] for i in items])
        dense.weight.copy_(torch.linalg.solve(x.T @ x + 1e-3 * len(x) * torch.eye(x.shape[1]), x.T @ y).T)
    student.dense = dense


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="pool.jsonl:folder of teacher shards")
    parser.add_argument("--start", type=Path, required=True, help="folder of start.py: first weights, target.npz, tokenizer.json")
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
    parser.add_argument("--hold-out", type=int, default=400)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", type=float, default=240, help="seconds between two reports, which also save the weights")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    device = torch.device(arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = Data(arguments.data, Text(arguments.start / "tokenizer.json").skip, arguments.hold_out, device)
    print(len(data.items), "documents", flush=True)
    target = Target.load(arguments.start / "target.npz").to(device)
    student = load_student(arguments.start).to(device)
    print("start, held out (token, kl, agreement):", held_out(student, data, target, arguments.tau), flush=True)
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
        token, kl, agreement = losses(student, items, target, arguments.tau, random, arguments.bf16)
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
        if time.time() - report > arguments.report:
            other = Student().to(device)
            other.load_state_dict(average)
            print(
                f"step {step} {tokens / 1e6:.2f} M tokens {time.time() - start:.0f} s lr {rate:.2e} "
                f"train {(log / since).round(4).tolist()} "
                f"held out, averaged {held_out(other, data, target, arguments.tau)}", flush=True,
            )
            save_weights(average, arguments.out, torch.float32)
            log[:], since, report = 0, 0, time.time()
            if data.grow():
                print(len(data.items), "documents", flush=True)
    save_weights(average, arguments.out, torch.float32)
    other = Student().to(device)
    other.load_state_dict(average)
    final = held_out(other, data, target, arguments.tau)
    print(f"end: step {step}, {tokens / 1e6:.2f} M document tokens, held out, averaged {final}")


if __name__ == "__main__":
    main()
