"""Retrieval on the held-out passages of `prepare.py` (`dev.jsonl`): where every choice of the training was made.

    python develop.py --model work/model --dev work/dev.jsonl --int8

Each query has one right passage among all held-out passages: the one it was the heading, term or question of, or with
`--sentences` the one it was taken out of (10 to 40 word pieces, as long as a claim). Printed: nDCG@10 of exact MaxSim
for each group, their mean, and the same of the 100 best by fixed-dimensional encodings (the mean direction taken out,
see `evaluate.py`) reranked by MaxSim.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from evaluate import Packed, muvera
from student import CLS, QUERY_MARKER, SEP, Text, encode, int8_state, load_student

SENTENCE_QUERIES = 400


def read_records(path: Path, limit=0):
    with open(path, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    if limit:  # every passage that is asked for, and as many others as fit
        asked = [r for r in records if r["q"]]
        records = asked + [r for r in records if not r["q"]][: max(0, limit - len(asked))]
    return records


def ask_by_sentences(records, text: Text, seed=5):
    """The records with a sentence of their own as query, which is then no longer in the passage; some of each source."""
    ends = {text.tokenizer.token_to_id(mark) for mark in ".?!"}
    draw, asked, out = random.Random(seed), Counter(), []
    for record in records:
        marker, pieces = record["d"][:2], record["d"][2:-1]
        sentences = [[]]
        for piece in pieces:
            sentences[-1].append(piece)
            if piece in ends:
                sentences.append([])
        fit = [i for i, s in enumerate(sentences) if 10 <= len(s) <= 40]
        queries, rest = [], pieces
        if len(fit) >= 3 and len(pieces) >= 80 and asked[record["src"]] < SENTENCE_QUERIES:
            asked[record["src"]] += 1
            taken = draw.choice(fit)
            queries = [[CLS, QUERY_MARKER, *sentences[taken], SEP]]
            rest = [piece for i, s in enumerate(sentences) if i != taken for piece in s]
        out.append({**record, "d": [*marker, *rest, SEP], "q": queries})
    return out


def gains(orders, right):
    """nDCG@10 a query, given each query's ten best documents and the one right one."""
    hits = torch.as_tensor(orders)[:, :10] == torch.as_tensor(right)[:, None]
    return (hits / torch.log2(torch.arange(2, 12).float())).sum(1)


def deflated(sets, common):
    return [v - (v @ common)[:, None] * common for v in sets]


def score(documents, queries, right, groups, with_muvera=True, deflate=True):
    """documents, queries: [tokens, dim] each; right: index of each query's document; groups: name of each query's group."""
    rough = Packed(documents).rough(queries)
    exact = gains(rough.topk(10).indices, right)
    groups = np.array(groups)
    result = {g: round(exact[torch.from_numpy(groups == g)].mean().item(), 4) for g in dict.fromkeys(groups.tolist())}
    result["mean"] = round(float(np.mean(list(result.values()))), 4)
    sample = torch.cat(documents[:: max(1, len(documents) // 500)]).mean(0)
    result["mean token norm"] = round(sample.norm().item(), 3)
    if with_muvera:
        sides = [queries, documents]
        if deflate:
            sides = [deflated(side, F.normalize(sample, dim=0)) for side in sides]
        near = (muvera(sides[0], True) @ muvera(sides[1], False).T).topk(100).indices
        best = rough.gather(1, near).topk(10).indices
        result["MUVERA kept"] = round((gains(near.gather(1, best), right).mean() / exact.mean()).item(), 4)
    return result


@torch.no_grad()
def evaluate(student, text: Text, records, with_muvera=True):
    framed = [r["d"] for r in records]
    kept = [torch.tensor([i not in text.skip for i in ids]) for ids in framed]
    documents = [v[k] for v, k in zip(encode(student, framed), kept)]
    asked = [(i, q) for i, r in enumerate(records) for q in r["q"]]
    queries = encode(student, [q for _, q in asked])
    return score(documents, queries, [i for i, _ in asked], [records[i]["src"] for i, _ in asked], with_muvera)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, nargs="+", default=[Path("work/model")])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--dev", type=Path, default=Path("work/dev.jsonl"))
    parser.add_argument("--limit", type=int, default=0, help="fewer passages, those without a query first to go")
    parser.add_argument("--sentences", action="store_true", help="sentences of the passages as queries")
    parser.add_argument("--int8", action="store_true", help="also with per-row int8 weights")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = Text(arguments.tokenizer)
    records = read_records(arguments.dev, arguments.limit)
    if arguments.sentences:
        records = ask_by_sentences(records, text)
    for folder in arguments.model:
        student = load_student(folder).eval()
        print(folder, "float", json.dumps(evaluate(student, text, records)), flush=True)
        if arguments.int8:
            student.load_state_dict(int8_state(student.state_dict()))
            print(folder, "int8", json.dumps(evaluate(student, text, records)), flush=True)


if __name__ == "__main__":
    main()
