"""The trained weights as a model folder in PyLate's layout, on an int8 grid, and the same model as true int8.

    python export.py --model work/model --layout <PyLate folder with configuration and tokenizer> --out work/candidate

`model.safetensors` and `1_Dense/model.safetensors` are fp16, readable by every ColBERT library. Their matrices hold
code * 2^e with an int8 code and one e a row, exact in fp16; `--float` leaves the weights as trained instead.
`model.int8.safetensors` and `1_Dense/model.int8.safetensors` have the same tensor names: a matrix `<name>` is I8
[rows, columns] beside `<name>.scale` F32 [rows], weight = code * scale, the numbers of the fp16 files exactly; vectors,
position and segment embeddings are F16. Shipped is the int8 one, as `model.safetensors` (`@serotine/core` reads it).
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
            codes, scale = quantize_rows(value.float(), power_of_two=True)
            out[name], out[f"{name}.scale"] = codes, scale[:, 0].contiguous()
        else:
            out[name] = value.to(torch.float16)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("work/model"))
    parser.add_argument("--layout", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("work/candidate"))
    parser.add_argument("--float", action="store_true", help="fp16 weights as trained, not on the int8 grid")
    arguments = parser.parse_args()

    state = load_student(arguments.model).state_dict()
    (arguments.out / "1_Dense").mkdir(parents=True, exist_ok=True)
    for file in CONFIGURATION:
        shutil.copyfile(arguments.layout / file, arguments.out / file)
    save_weights(state if arguments.float else int8_state(state, power_of_two=True), arguments.out)
    for folder, tensors in ((".", bert_tensors(state)), ("1_Dense", {"linear.weight": state["dense.weight"]})):
        save_file(int8_tensors(tensors), arguments.out / folder / "model.int8.safetensors", metadata={"format": "pt"})
    for file in sorted(arguments.out.rglob("*.safetensors")):
        print(f"{file.relative_to(arguments.out)}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
