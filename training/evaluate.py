"""Exact MaxSim over whole BEIR folders: nDCG@10 and Recall@100, for float weights and for int8 weights.

    python evaluate.py --model <folder> --data <folder with one BEIR folder a collection> --sets scifact cranfield
"""

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import torch

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

    def __init__(self, vectors, group=256):
        self.order = sorted(range(len(vectors)), key=lambda i: len(vectors[i]))
        self.groups = []
        for at in range(0, len(self.order), group):
            part = [vectors[i] for i in self.order[at : at + group]]
            block = torch.zeros(len(part), max(len(v) for v in part), part[0].shape[1])
            empty = torch.ones(block.shape[:2], dtype=torch.bool)
            for row, v in enumerate(part):
                block[row, : len(v)] = v
                empty[row, : len(v)] = False
            self.groups.append((block, empty))

    def scores(self, query: torch.Tensor) -> torch.Tensor:
        """Sum over query tokens of the best document token; in the order the vectors were given."""
        parts = []
        for block, empty in self.groups:
            similarity = (block.view(-1, block.shape[2]) @ query.T).view(*empty.shape, -1)
            parts.append(similarity.masked_fill_(empty[:, :, None], -1e4).amax(dim=1).sum(dim=1))
        out = torch.empty(len(self.order))
        out[torch.tensor(self.order)] = torch.cat(parts)
        return out


def encode_collection(student, text: Text, documents, queries):
    framed = [text.frame(p, False) for p in text.pieces(t for _, t in documents)]
    kept = [torch.tensor([i not in text.skip for i in ids]) for ids in framed]
    vectors = [v[k] for v, k in zip(encode(student, framed), kept)]
    questions = encode(student, [text.frame(p, True) for p in text.pieces(t for _, t in queries)])
    return vectors, questions


@torch.no_grad()
def evaluate(student, text: Text, folder: Path) -> dict:
    documents, queries, qrels = read_beir(folder)
    vectors, questions = encode_collection(student, text, documents, queries)
    packed = Packed(vectors)
    ids = [d for d, _ in documents]
    ndcg = recall = 0.0
    for (query, _), q in zip(queries, questions):
        best = torch.topk(packed.scores(q), min(100, len(ids))).indices.tolist()
        n, r = metrics([ids[i] for i in best], qrels[query])
        ndcg += n / len(queries)
        recall += r / len(queries)
    sample = torch.cat(vectors[:500])
    return {"nDCG@10": round(ndcg, 4), "R@100": round(recall, 4), "mean token norm": round(sample.mean(0).norm().item(), 3)}


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=here.parent / "packages" / "model-micro", type=Path)
    parser.add_argument("--data", default=here.parent / "bench" / "data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["scifact", "cranfield", "xquad-en"])
    parser.add_argument("--int8", action="store_true", help="also with per-row int8 weights")
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
            print(name, kind, json.dumps(evaluate(student, text, arguments.data / name)), f"{time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
