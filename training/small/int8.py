"""int8 files of a trained model-small, in the PyLate layout of the package.

    python small/int8.py --model work/small/model --out ../packages/model-small/model

Matrices become I8 codes beside `<name>.scale` F32 [rows], weight = code * scale, the largest of a row at 127, so that
quantising again, as `dtype: 'int8'` of @serotine/core does, gives the same codes. Vectors, position and segment embeddings are F16.
The configuration and the tokenizer of the package are not touched.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from minilm import SHAPE, load_folder
from export import FLOAT
from student import bert_tensors, quantize_rows


def int8_tensors(tensors: dict) -> dict:
    out = {}
    for name, value in tensors.items():
        if value.ndim == 2 and not any(part in name for part in FLOAT):
            codes, scale = quantize_rows(value.float())
            out[name], out[f"{name}.scale"] = codes, scale[:, 0].contiguous()
        else:
            out[name] = value.to(torch.float16)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("work/small/model"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    state = load_folder(arguments.model).state_dict()
    for folder, tensors in ((".", bert_tensors(state, SHAPE["layers"])), ("1_Dense", {"linear.weight": state["dense.weight"]})):
        target = arguments.out / folder / "model.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        save_file(int8_tensors(tensors), target, metadata={"format": "pt"})
        print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
