"""The student: BERT (2 layers, 128 wide, 2 heads) and a 128 -> 128 layer without bias, in plain PyTorch.

Weights are read and written in PyLate's folder layout (a Sentence Transformers folder with `1_Dense`),
so any ColBERT library can load what `train.py` produces.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
CLS, SEP, QUERY_MARKER, DOCUMENT_MARKER = 101, 102, 1, 2  # [CLS], [SEP], [unused0], [unused1]
QUERY_LENGTH, DOCUMENT_LENGTH = 256, 300


class Layer(nn.Module):
    """One post-norm BERT layer."""

    def __init__(self, width: int, inner: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, bias):
        b, n, w = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) * (w // self.heads) ** -0.5 + bias, dim=-1) @ v  # faster than sdpa on CPUs
        x = self.norm1(x + self.out(a.transpose(1, 2).reshape(b, n, w)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Student(nn.Module):
    """Token ids [batch, length] -> vectors [batch, length, 128] (not normalised)."""

    def __init__(self, vocabulary=30522, width=128, inner=512, heads=2, layers=2, positions=512, dim=128):
        super().__init__()
        self.word = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(positions, width)
        self.segment = nn.Parameter(torch.zeros(2, width))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(width, inner, heads) for _ in range(layers))
        self.dense = nn.Linear(width, dim, bias=False)

    def forward(self, ids, mask):
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.segment[0]
        x = self.norm(x)
        bias = torch.zeros(mask.shape, dtype=x.dtype, device=x.device).masked_fill(~mask, -1e9)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        return self.dense(x)


def _names(layers: int):
    """(our name, BERT name) pairs; q, k and v are stored apart in BERT."""
    yield "word.weight", "embeddings.word_embeddings.weight"
    yield "position.weight", "embeddings.position_embeddings.weight"
    yield "segment", "embeddings.token_type_embeddings.weight"
    yield "norm.weight", "embeddings.LayerNorm.weight"
    yield "norm.bias", "embeddings.LayerNorm.bias"
    for i in range(layers):
        theirs = f"encoder.layer.{i}."
        for part in ("weight", "bias"):
            yield f"layers.{i}.qkv.{part}", [f"{theirs}attention.self.{n}.{part}" for n in ("query", "key", "value")]
            yield f"layers.{i}.out.{part}", f"{theirs}attention.output.dense.{part}"
            yield f"layers.{i}.norm1.{part}", f"{theirs}attention.output.LayerNorm.{part}"
            yield f"layers.{i}.up.{part}", f"{theirs}intermediate.dense.{part}"
            yield f"layers.{i}.down.{part}", f"{theirs}output.dense.{part}"
            yield f"layers.{i}.norm2.{part}", f"{theirs}output.LayerNorm.{part}"


def load_tensors(file) -> dict:
    """float32, also of int8 matrices with one scale per row, as `export.py` writes them."""
    tensors = load_file(file)
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith(".scale")}
    return {n: t.float() * scales[f"{n}.scale"][:, None] if f"{n}.scale" in scales else t.float() for n, t in tensors.items()}


def load_student(folder) -> Student:
    folder = Path(folder)
    bert = {k.removeprefix("bert."): v for k, v in load_tensors(folder / "model.safetensors").items()}
    student = Student()
    state = {}
    for ours, theirs in _names(len(student.layers)):
        state[ours] = torch.cat([bert[n] for n in theirs]) if isinstance(theirs, list) else bert[theirs]
    state["dense.weight"] = load_tensors(folder / "1_Dense" / "model.safetensors")["linear.weight"]
    student.load_state_dict(state)
    return student


def bert_tensors(state: dict, layers: int = 2) -> dict:
    """The student's state as BERT-named tensors, without the Dense layer."""
    tensors = {}
    for ours, theirs in _names(layers):
        if isinstance(theirs, list):
            for name, part in zip(theirs, state[ours].chunk(3)):
                tensors[name] = part.contiguous()
        else:
            tensors[theirs] = state[ours].contiguous()
    return tensors


def save_weights(state: dict, folder, dtype=torch.float16, layers: int = 2) -> None:
    """Writes the two weight files of the PyLate layout; the configuration files must be there already."""
    folder = Path(folder)
    (folder / "1_Dense").mkdir(parents=True, exist_ok=True)
    bert = {k: v.detach().to("cpu", dtype) for k, v in bert_tensors(state, layers).items()}
    save_file(bert, folder / "model.safetensors", metadata={"format": "pt"})
    dense = state["dense.weight"].detach().to("cpu", dtype).contiguous()
    save_file({"linear.weight": dense}, folder / "1_Dense" / "model.safetensors", metadata={"format": "pt"})


def quantize_rows(weight: torch.Tensor, power_of_two=False):
    """Symmetric int8, one scale per row: weight ~ codes * scale. With a power of two as scale, fp16 holds the product exactly."""
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
    if power_of_two:
        scale = torch.exp2(torch.ceil(torch.log2(scale)))
    return torch.clamp(torch.round(weight / scale), -127, 127).to(torch.int8), scale.float()


def int8_state(state: dict, power_of_two=False) -> dict:
    """The state as it is after a trip through per-row int8 (matrices only; vectors stay float)."""
    out = {}
    for name, value in state.items():
        if value.ndim == 2 and name not in ("segment", "position.weight"):
            codes, scale = quantize_rows(value.float(), power_of_two)
            value = codes.float() * scale
        out[name] = value
    return out


class Text:
    """Tokenisation as PyLate does it: [CLS] marker text [SEP], cut to a length that counts all of them."""

    def __init__(self, tokenizer_json):
        self.tokenizer = Tokenizer.from_file(str(tokenizer_json))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.skip = {self.tokenizer.token_to_id(p) for p in PUNCTUATION}

    def pieces(self, texts) -> list[list[int]]:
        """Word pieces only, without [CLS] and [SEP]."""
        return [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    @staticmethod
    def frame(pieces, is_query: bool, length: int | None = None) -> list[int]:
        length = length or (QUERY_LENGTH if is_query else DOCUMENT_LENGTH)
        return [CLS, QUERY_MARKER if is_query else DOCUMENT_MARKER, *pieces[: length - 3], SEP]


def pad(sequences, device="cpu", multiple=1):
    """Lists of ids -> (ids [batch, length], mask [batch, length])."""
    longest = max(len(s) for s in sequences)
    longest = -(-longest // multiple) * multiple
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for i, s in enumerate(sequences):
        ids[i, : len(s)] = torch.as_tensor(s, dtype=torch.long)
        mask[i, : len(s)] = True
    return ids.to(device), mask.to(device)


@torch.no_grad()
def encode(student: Student, sequences, budget=16384, device="cpu"):
    """Unit vectors, one [length, dim] tensor a sequence; batches of about `budget` tokens, sorted by length."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    out = [None] * len(sequences)
    at = 0
    while at < len(order):
        size = max(1, budget // len(sequences[order[at]]))
        part = order[at : at + size]
        ids, mask = pad([sequences[i] for i in part], device)
        vectors = F.normalize(student(ids, mask), dim=-1)
        for row, i in enumerate(part):
            out[i] = vectors[row, : len(sequences[i])].float().cpu()
        at += size
    return out


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))
