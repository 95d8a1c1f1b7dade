"""The trained weights as a model folder: fp16 PyLate layout, and the same weights as int8 with one scale a row.

    python export.py --model work/model --layout <PyLate folder with configuration and tokenizer> --out candidate

With `--int8-grid` the fp16 file holds int8 values too: code * 2^e with one e a row, exact in fp16, so that a compressed
package is as small as an int8 one and still an ordinary checkpoint.

`model.safetensors` and `1_Dense/model.safetensors` are fp16, readable by every ColBERT library.
`model.int8.safetensors` holds both: a matrix `<name>` is I8 [rows, columns] with `<name>.scale` F32 [rows, 1], and
weight = code * scale; vectors, position and segment embeddings are F16; the Dense layer is `1_Dense.linear.weight`.
"""

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from student import bert_tensors, int8_state, load_student, quantize_rows, save_weights

CONFIGURATION = [
    "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json",
    "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "1_Dense/config.json",
]
FLOAT = ("position_embeddings", "token_type_embeddings")


def int8_tensors(tensors: dict) -> dict:
    out = {}
    for name, value in tensors.items():
        if value.ndim == 2 and not any(part in name for part in FLOAT):
            out[name], out[f"{name}.scale"] = quantize_rows(value.float())
        else:
            out[name] = value.to(torch.float16)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("work/model"))
    parser.add_argument("--layout", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("work/candidate"))
    parser.add_argument("--int8-grid", action="store_true")
    arguments = parser.parse_args()

    state = load_student(arguments.model).state_dict()
    (arguments.out / "1_Dense").mkdir(parents=True, exist_ok=True)
    for file in CONFIGURATION:
        shutil.copyfile(arguments.layout / file, arguments.out / file)
    save_weights(int8_state(state, power_of_two=True) if arguments.int8_grid else state, arguments.out)
    tensors = {**bert_tensors(state), "1_Dense.linear.weight": state["dense.weight"]}
    save_file(int8_tensors(tensors), arguments.out / "model.int8.safetensors", metadata={"format": "pt"})
    for file in sorted(arguments.out.rglob("*.safetensors")):
        print(f"{file.relative_to(arguments.out)}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
