"""What the student is asked to imitate, and first weights for it, both in closed form from the teachers' vectors.

    python start.py --data work/pool.jsonl:work/teacher work/vocabulary.jsonl:work/teacher-vocabulary \\
      --layout ../packages/model-micro/model --out work/start

`target.npz`: what a token's target is made with, see `Target` in train.py: an offset (what is taken away of the teachers'
mean), a head to 127 dimensions, and a 128th coordinate for each word piece by how many passages of the pool it is in.
Weights: a word piece's embedding is the mean target of its occurrences, mixed for rare ones with what a ridge regression
from the teachers' own word embeddings says; attention and feed-forward layers add nearly nothing at first; the Dense
layer is a ridge regression from the hidden states to the targets.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

from export import CONFIGURATION
from student import CLS, DOCUMENT_MARKER, QUERY_MARKER, SEP, Student, Text, save_weights
from train import Data, Target, fit_dense, learn_head


def word_embeddings(folder: Path, models) -> np.ndarray:
    """The teachers' word embeddings, each at unit length, side by side: [vocabulary, 384 each]."""
    parts = []
    for model in models:
        tensors = {t.name: t for t in onnx.load(folder / model / "model.onnx").graph.initializer}
        name = "embeddings.word_embeddings.weight"
        codes, scale, zero = (numpy_helper.to_array(tensors[name + end]) for end in ("_quantized", "_scale", "_zero_point"))
        rows = (codes.astype(np.float32) - np.float32(zero)) * scale
        parts.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def sinks(data, strength, rare, vocabulary=30522):
    """`strength` for pieces in every passage, falling with the logarithm of inverse document frequency to 0 at `rare`."""
    counts, total = torch.zeros(vocabulary), 0
    for shards in data.shards:
        for source, document, _ in shards.waiting:
            if source != "vocabulary":
                counts[torch.from_numpy(np.unique(document)).long()] += 1
                total += 1
    frequency = torch.log((total + 1) / (counts + 1))
    frequency[[CLS, SEP, QUERY_MARKER, DOCUMENT_MARKER]] = 0
    return strength * (1 - frequency / rare).clamp(0, 1)


def mean_targets(data, target, vocabulary=30522):
    """Sum of the targets of every word piece [vocabulary, 128] and how many there were."""
    total, count = torch.zeros(vocabulary, len(target.head) + 1), torch.zeros(vocabulary)
    for item in data.items + data.lists:
        for ids, vectors in ((item[0], item[2]), *zip(item[1], item[3])):
            numbers = torch.from_numpy(ids)
            total.index_add_(0, numbers, target([vectors], [ids]))
            count += torch.bincount(numbers, minlength=vocabulary)
    return total, count


def regressed(features, total, count, ridge=3.0):
    """What the teachers' word embeddings say about the mean targets of pieces that were seen."""
    x = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    weight = count.clamp(max=20)[:, None]
    mean = total / count.clamp_min(1)[:, None]
    return x @ torch.linalg.solve(x.T @ (x * weight) + ridge * torch.eye(x.shape[1]), x.T @ (mean * weight))


def embeddings(total, count, prior, strength=3.0):
    """Shrunk means, turned so that what the first layer norm removes (the direction of ones) is what matters least."""
    rows = (total + strength * prior) / (count + strength)[:, None]
    weight = count.clamp_min(1).sqrt()[:, None]
    basis = torch.linalg.eigh(rows.T @ (rows * weight)).eigenvectors
    ones = torch.ones(len(basis), 1)
    turn = torch.linalg.qr(torch.cat([ones, torch.randn(len(basis), len(basis) - 1)], dim=1)).Q
    return rows @ basis @ turn.T


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="pool.jsonl:folder of teacher shards")
    parser.add_argument("--models", type=Path, default=Path("work/teachers"))
    parser.add_argument("--teachers", nargs="+", default=["bge_small_en"])
    parser.add_argument("--layout", type=Path, required=True, help="PyLate folder with configuration and tokenizer")
    parser.add_argument("--out", type=Path, default=Path("work/start"))
    parser.add_argument("--keep-mean", type=float, nargs="+", default=[1.0], help="share of each teacher's mean that stays")
    parser.add_argument("--head-steps", type=int, default=300, help="0: the first 127 directions of the PCA")
    parser.add_argument("--sink", type=float, default=1.0)
    parser.add_argument("--rare", type=float, default=6.0, help="inverse document frequency (log) from which on a word has no sink")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for file in CONFIGURATION:
        (arguments.out / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(arguments.layout / file, arguments.out / file)
    text = Text(arguments.out / "tokenizer.json")
    data = Data(arguments.data, text.skip, 0)
    means = np.load(Path(arguments.data[0].split(":")[1]) / "projection.npz")["means"]
    offset = torch.from_numpy((1 - np.array(arguments.keep_mean, np.float32)) @ means.astype(np.float32))
    target = Target(offset, torch.eye(127, len(offset)), sinks(data, arguments.sink, arguments.rare))
    if arguments.head_steps:
        target = learn_head(data, target, arguments.head_steps, arguments.seed)
    target.save(arguments.out / "target.npz")

    total, count = mean_targets(data, target)
    features = torch.from_numpy(word_embeddings(arguments.models, arguments.teachers))
    student = Student()
    with torch.no_grad():
        student.word.weight.copy_(embeddings(total, count, regressed(features, total, count)))
        student.position.weight.normal_(std=1e-3)
        for name, value in student.layers.named_parameters():
            if value.ndim == 2:
                value.normal_(std=0.01 if name.split(".")[1] in ("out", "down") else 0.05)
            elif name.endswith("bias"):
                value.zero_()
    print(f"word pieces seen: {(count > 0).sum()}, ten times: {(count >= 10).sum()}")
    fit_dense(student, data, target)
    save_weights(student.state_dict(), arguments.out, torch.float32)


if __name__ == "__main__":
    main()
