"""The development set for model-small: `../prepare.py`'s held-out passages, fewer of them and asked in both ways at once.

    python small/development.py --dev work/dev.jsonl --tokenizer $LAYOUT/tokenizer.json --out work/small/dev.jsonl

A query is a heading, term or question (the passage's own `q`), or a sentence taken out of the passage, which then lacks it.
"""

import argparse
import json
from pathlib import Path

import minilm  # noqa: F401  (the folder above on the path)
import develop
from develop import ask_by_sentences, read_records
from student import Text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", type=Path, default=Path("work/dev.jsonl"))
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("work/small/dev.jsonl"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    develop.SENTENCE_QUERIES = 120
    records = read_records(arguments.dev, arguments.passages)
    sentences = ask_by_sentences(records, Text(arguments.tokenizer))
    asked = 0
    for natural, sentence in zip(records, sentences):
        asked += len(natural["q"])
        if asked % 2:  # every other heading: exact MaxSim of 384 numbers a token takes its time
            natural["q"] = []
    with open(arguments.out, "w", encoding="utf-8") as file:
        for natural, sentence in zip(records, sentences):
            kinds = ["natural"] * len(natural["q"]) + ["sentence"] * len(sentence["q"])
            record = {"src": natural["src"], "d": sentence["d"], "q": natural["q"] + sentence["q"], "kinds": kinds}
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
