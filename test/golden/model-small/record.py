"""Vectors of packages/model-small by PyLate, for test/core/index/model-small.test.ts.

    pip install pylate==1.6.0 && python record.py

PyLate reads no int8: the weights are written out as float32 first, the same numbers.
"""

import json
from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp

import torch
from pylate import models
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
TEXTS = {
    "query": ["what do bats eat at night?", "flightless birds of New Zealand"],
    "document": [
        "Most bats are insectivores, catching moths and beetles in flight; others feed on fruit or nectar.",
        "The kiwi (Apteryx) can't fly: its wings are vestigial, and it is naïve about predators. " * 30,
    ],
}

folder = Path(mkdtemp()) / "model"
copytree(HERE.parents[2] / "packages/model-small/model", folder)
for file in folder.rglob("*.safetensors"):
    tensors = load_file(file)
    scales = {n: tensors.pop(n).float() for n in list(tensors) if n.endswith(".scale")}
    whole = {n: t.float() * scales[f"{n}.scale"][:, None] if f"{n}.scale" in scales else t.float() for n, t in tensors.items()}
    save_file({n: t.contiguous() for n, t in whole.items()}, file, metadata={"format": "pt"})
model = models.ColBERT(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
records = []
for kind, texts in TEXTS.items():
    for text in texts:
        vectors = model.encode([text], is_query=kind == "query", show_progress_bar=False)[0]
        # The first tokens and the last ones, eight numbers each: where a difference would show.
        rows = [[round(float(x), 6) for x in row[:8]] for row in [*vectors[:6], *vectors[-6:]]]
        records.append({"kind": kind, "text": text, "tokens": len(vectors), "rows": rows})
golden = {"versions": {name: version(name) for name in ("pylate", "sentence-transformers", "torch")}, "records": records}
(HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
