"""Gives frequent words less say, by rewriting the last layer in closed form.

MaxSim counts every query token alike, because vectors have unit length; distillation from centred teachers makes that
worse, since a token close to the teacher's mean tells little and yet becomes a full vector. So one output direction
(the one the tokens use least) becomes a sink: common tokens point towards it, rare ones hardly do, and the rest of
their vector shrinks accordingly. How common a token is, is read linearly from the last hidden state, fitted to the
inverse document frequencies of the training passages. The Dense layer keeps its shape and needs no bias.

    python weigh.py --model work/model --pool work/pool.jsonl --out work/weighed
"""

import argparse
import json
import math
import random
from collections import Counter
from pathlib import Path

import torch

from student import CLS, DOCUMENT_MARKER, QUERY_MARKER, SEP, load_student, pad, save_weights


def inverse_document_frequencies(pools, vocabulary=30522, sample=8000):
    """-> log((N + 1) / (n + 1)) a word piece, 0 for [CLS], [SEP] and the markers; and the first records of each pool."""
    counts, total, records = Counter(), 0, []
    for pool in pools:
        with open(pool, encoding="utf-8") as file:
            for at, line in enumerate(file):
                record = json.loads(line)
                counts.update(set(record["d"]))
                total += 1
                if at < sample:
                    records.append((record["d"], record["q"]))
    frequencies = torch.tensor([math.log((total + 1) / (counts[t] + 1)) for t in range(vocabulary)])
    frequencies[[CLS, SEP, QUERY_MARKER, DOCUMENT_MARKER]] = 0
    return frequencies, records


@torch.no_grad()
def hidden_states(student, sequences):
    dense, student.dense = student.dense, torch.nn.Identity()
    rows = torch.cat([student(*pad([s]))[0] for s in sequences])
    student.dense = dense
    return rows


@torch.no_grad()
def weigh(student, sequences, frequencies, strength, rare):
    """A token of inverse document frequency 0 gets `strength` times its vector's length along the sink, one of `rare` none."""
    hidden = hidden_states(student, sequences)
    weight = student.dense.weight
    out = hidden @ weight.T
    sink = torch.linalg.eigh(out.T @ out).eigenvectors[:, 0]
    wanted = torch.cat([frequencies[torch.tensor(s)] for s in sequences])
    length = strength * (1 - (wanted / rare).clamp(0, 1)) * out.norm(dim=1)
    square = (hidden.T @ hidden).double()
    ridge = 1e-6 * square.diagonal().mean() * torch.eye(len(square))
    read = torch.linalg.solve(square + ridge, (hidden.T @ length).double()).float()
    explained = 1 - ((hidden @ read - length) ** 2).mean() / length.var()
    weight.copy_(weight - torch.outer(sink, sink @ weight) + torch.outer(sink, read))
    return explained.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("work/model"))
    parser.add_argument("--pool", type=Path, nargs="+", default=[Path("work/pool.jsonl")])
    parser.add_argument("--out", type=Path, default=Path("work/weighed"))
    parser.add_argument("--strength", type=float, default=2.0)
    parser.add_argument("--rare", type=float, default=6.0, help="inverse document frequency from which on nothing is taken away")
    parser.add_argument("--fit", type=int, default=800, help="passages, with their queries, for the fit")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    frequencies, records = inverse_document_frequencies(arguments.pool)
    random.Random(arguments.seed).shuffle(records)
    records = records[: arguments.fit]
    student = load_student(arguments.model).eval()
    sequences = [d for d, _ in records] + [s for _, q in records for s in q]
    print(f"explained: {weigh(student, sequences, frequencies, arguments.strength, arguments.rare):.3f}")
    save_weights(student.state_dict(), arguments.out, torch.float32)


if __name__ == "__main__":
    main()
