"""Records ids and offsets of odd strings from the real `tokenizers` library.

    pip install tokenizers==0.22.2 && python record.py            # writes <pipeline>.json here
    python record.py --count 20000 --out /some/folder             # a larger set, for a one-off comparison

Offsets are code points, as Python counts.
"""
import argparse
import json
import pathlib

import tokenizers

from strings import strings

here = pathlib.Path(__file__).parent
pylate = here.parent / "pylate"
micro = here.parents[2] / "packages" / "model-micro" / "model" / "tokenizer.json"
bert = pylate / "bert-tiny" / "model" / "tokenizer.json"
modernbert = pylate / "modernbert-tiny" / "model" / "tokenizer.json"


def bert_normalizer(**flags):
    return {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True, **flags}


PIPELINES = {
    "bert": (bert, {}),
    "bert-cased": (bert, {"normalizer": bert_normalizer(lowercase=False)}),
    "bert-keep-accents": (bert, {"normalizer": bert_normalizer(strip_accents=False)}),
    "bert-30k": (micro, {}),
    "modernbert": (modernbert, {}),
}

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=400)
parser.add_argument("--seed", type=int, default=20)
parser.add_argument("--out", type=pathlib.Path, default=here)
args = parser.parse_args()

for name, (path, changes) in PIPELINES.items():
    source = {**json.loads(path.read_text()), **changes}
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(source))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = []
    for text in strings(args.count, args.seed):
        encoding = tokenizer.encode(text)
        rows.append({"text": text, "ids": encoding.ids, "offsets": [n for pair in encoding.offsets for n in pair]})
    record = {
        "reference": f"Python tokenizers {tokenizers.__version__}",
        "tokenizer": str(path.relative_to(here.parents[2])),
        "changes": changes,
        "strings": rows,
    }
    text = json.dumps(record, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"')
    (args.out / f"{name}.json").write_text(text + "\n")
    print(name, len(rows))
