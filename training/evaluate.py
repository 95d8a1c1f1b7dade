"""Exact MaxSim over whole BEIR folders: nDCG@10 and Recall@100, for float weights and for int8 weights.

    python evaluate.py --model <folder> --data <folder with one BEIR folder a collection> --sets scifact cranfield

With `--muvera` also nDCG@10 of the 100 best by fixed-dimensional encodings, reranked by MaxSim: the published
construction (R 20, k 5, p 16; 10,240 dimensions) without filling empty partitions, over tokens less their share of the
mean document token (`prepare: 'deflate'` in `@serotine/core`).
"""

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from student import Text, encode, int8_state, load_student


def lines(path: Path):
    packed = path.with_name(path.name + ".gz")
    with gzip.open(packed, "rt", encoding="utf-8") if packed.exists() else open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_beir(folder: Path, split="test"):
    """-> document ids, texts (title, a space, text), query ids, query texts, qrels."""
    documents = [(d["_id"], f"{d.get('title') or ''} {d['text']}".strip()) for d in lines(folder / "corpus.jsonl")]
    qrels: dict[str, dict[str, int]] = {}
    rows = (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for row in rows:
        query, document, grade = row.split("\t")[:3]
        if int(float(grade)) > 0:
            qrels.setdefault(query, {})[document] = int(float(grade))
    queries = [(q["_id"], q["text"]) for q in lines(folder / "queries.jsonl") if q["_id"] in qrels]
    return documents, queries, qrels


def metrics(ranking, grades, k=10):
    """trec_eval's nDCG@10 (linear gain) and Recall@100 of one ranking of ids."""
    gain = sum(grades.get(d, 0) / math.log2(i + 2) for i, d in enumerate(ranking[:k]))
    ideal = sum(g / math.log2(i + 2) for i, g in enumerate(sorted(grades.values(), reverse=True)[:k]))
    return gain / ideal, len(set(ranking[:100]) & set(grades)) / len(grades)


class Packed:
    """All document vectors of a collection, padded in groups of equal length for fast MaxSim."""

    def __init__(self, vectors, group=64):
        self.vectors = vectors
        self.order = sorted(range(len(vectors)), key=lambda i: len(vectors[i]))
        self.groups = []
        for at in range(0, len(self.order), group):
            part = [vectors[i] for i in self.order[at : at + group]]
            longest = max(len(v) for v in part)
            # repeating the first token instead of zeros leaves the best similarity as it is
            self.groups.append(torch.stack([torch.cat([v, v[:1].expand(longest - len(v), -1)]) for v in part]).bfloat16())

    def rough(self, queries, chunk=64):
        """Scores in bfloat16: [queries, documents]."""
        out = torch.empty(len(queries), len(self.order))
        place = torch.tensor(self.order)
        for at in range(0, len(queries), chunk):
            part = queries[at : at + chunk]
            owner = torch.repeat_interleave(torch.arange(len(part)), torch.tensor([len(q) for q in part]))
            tokens = torch.cat(part).bfloat16().T
            best = torch.cat([(block.flatten(0, 1) @ tokens).view(*block.shape[:2], -1).amax(dim=1) for block in self.groups])
            sums = torch.zeros(len(part), len(place)).index_add_(0, owner, best.float().T)
            out[at : at + len(part), place] = sums
        return out

    def top(self, query, rough, k=100, margin=150):
        """The k best documents, scored in float32 (a rough pass picks k + margin)."""
        some = rough.topk(min(k + margin, len(rough))).indices
        exact = torch.tensor([self.score(query, i) for i in some.tolist()])
        return some[exact.argsort(descending=True, stable=True)[:k]].tolist()

    def score(self, query, i) -> float:
        return (self.vectors[i] @ query.T).amax(dim=0).sum().item()


def encode_collection(student, text: Text, documents, queries):
    framed = [text.frame(p, False) for p in text.pieces(t for _, t in documents)]
    kept = [torch.tensor([i not in text.skip for i in ids]) for ids in framed]
    vectors = [v[k] for v, k in zip(encode(student, framed), kept)]
    questions = encode(student, [text.frame(p, True) for p in text.pieces(t for _, t in queries)])
    return vectors, questions


def muvera(vectors, is_query: bool, seed=42, repetitions=20, bits=5, inner=16):
    """One row of `repetitions * 2^bits * inner` for each set of tokens: partition sums (query) or means (document)."""
    generator = torch.Generator().manual_seed(seed)
    dim, cells = vectors[0].shape[1], 2**bits
    tokens = torch.cat(list(vectors))
    owner = torch.repeat_interleave(torch.arange(len(vectors)), torch.tensor([len(v) for v in vectors]))
    blocks = []
    for _ in range(repetitions):
        planes = torch.randn(dim, bits, generator=generator)
        signs = (torch.randint(2, (dim, inner), generator=generator) * 2 - 1).float() / inner**0.5
        cell = ((tokens @ planes > 0) * 2 ** torch.arange(bits)).sum(1) + owner * cells
        block = torch.zeros(len(vectors) * cells, inner).index_add_(0, cell, tokens @ signs)
        if not is_query:
            block /= torch.bincount(cell, minlength=len(block)).clamp_min(1)[:, None]
        blocks.append(block.view(len(vectors), -1))
    return torch.cat(blocks, dim=1)


@torch.no_grad()
def evaluate(student, text: Text, folder: Path, with_muvera=False) -> dict:
    documents, queries, qrels = read_beir(folder)
    vectors, questions = encode_collection(student, text, documents, queries)
    packed = Packed(vectors)
    rough = packed.rough(questions)
    ids = [d for d, _ in documents]
    ndcg = recall = by_muvera = kept = 0.0
    if with_muvera:
        common = F.normalize(torch.cat(vectors[:500]).mean(0), dim=0)
        plain = [[v - (v @ common)[:, None] * common for v in part] for part in (questions, vectors)]
        near = (muvera(plain[0], True) @ muvera(plain[1], False).T).topk(min(100, len(ids))).indices
    for at, ((query, _), q) in enumerate(zip(queries, questions)):
        best = packed.top(q, rough[at])
        n, r = metrics([ids[i] for i in best], qrels[query])
        ndcg += n / len(queries)
        recall += r / len(queries)
        if with_muvera:
            reranked = sorted(near[at].tolist(), key=lambda i: -packed.score(q, i))
            by_muvera += metrics([ids[i] for i in reranked], qrels[query])[0] / len(queries)
            kept += len(set(best[:10]) & set(reranked)) / 10 / len(queries)
    sample = torch.cat(vectors[:500])
    result = {"nDCG@10": round(ndcg, 4), "R@100": round(recall, 4), "mean token norm": round(sample.mean(0).norm().item(), 3)}
    if with_muvera:
        result |= {"MUVERA nDCG@10": round(by_muvera, 4), "exact top 10 kept": round(kept, 4)}
    return result


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=here.parent / "packages" / "model-micro" / "model", type=Path)
    parser.add_argument("--data", default=here.parent / "bench" / "data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield", "xquad-en"])
    parser.add_argument("--int8", action="store_true", help="also with per-row int8 weights")
    parser.add_argument("--muvera", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = Text(arguments.model / "tokenizer.json")
    student = load_student(arguments.model).eval()
    for kind in ["float"] + ["int8"] * arguments.int8:
        if kind == "int8":
            student.load_state_dict(int8_state(student.state_dict()))
        for name in arguments.sets:
            start = time.time()
            result = evaluate(student, text, arguments.data / name, arguments.muvera)
            print(name, kind, json.dumps(result), f"{time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
