"""Records what Python's `tokenizers` makes of odd strings in many pipelines.

    pip install tokenizers==0.23.3
    python record.py                                  # 300 strings a pipeline → recorded.json.gz, which CI compares
    python record.py --count 20000 --out /some/file   # a larger set, for SEROTINE_TOKENIZER_ORACLE

Offsets are code points, as Python counts.
"""
import argparse
import gzip
import json
import pathlib
import sys

import tokenizers

here = pathlib.Path(__file__).parent
sys.path[:0] = [str(here), str(here.parents[2] / "golden" / "tokenizers")]

from pipelines import pipelines  # noqa: E402
from strings import strings  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=300)
parser.add_argument("--seed", type=int, default=11)
parser.add_argument("--out", type=pathlib.Path, default=here / "recorded.json.gz")
args = parser.parse_args()

corpus = list(strings(3000, 5)) + ["The quick brown fox jumps over the lazy dog. Hello world, don't stop! 123 4567"] * 50
record = []
for i, (name, tokenizer) in enumerate(pipelines(corpus).items()):
    # The model is written once; reading it again is the proof that what was saved is what runs.
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    rows = []
    for text in strings(args.count, args.seed + i):
        encoding = tokenizer.encode(text)
        rows.append([text, encoding.ids, [n for pair in encoding.offsets for n in pair]])
    record.append({"name": name, "json": json.loads(tokenizer.to_str()), "strings": rows})
    print(name, len(rows), flush=True)
text = json.dumps({"reference": f"Python tokenizers {tokenizers.__version__}", "pipelines": record}, separators=(",", ":"))
args.out.write_bytes(gzip.compress(text.encode(), mtime=0))
