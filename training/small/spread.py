"""Passages spread over all sources of the pool: as many of each, as far as there are.

    python small/spread.py --pool work/pool.jsonl work/more/pool.jsonl --passages 3000 --out work/small/pool.jsonl

A pool begins with the sources that are large: others are held back for development first. What a linear layer learns
depends on the kinds of texts more than on their number.
"""

import argparse
import json
from collections import Counter
from itertools import chain, islice, zip_longest
from pathlib import Path


def spread(records, passages):
    """Round after round one record of each source, the first ones of each, until there are enough."""
    by_source = {}
    for record in records:
        by_source.setdefault(record["src"], []).append(record)
    rounds = zip_longest(*by_source.values())
    return list(islice((record for record in chain.from_iterable(rounds) if record), passages))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, nargs="+", default=[Path("work/pool.jsonl")])
    parser.add_argument("--passages", type=int, default=3000)
    parser.add_argument("--then", type=int, default=0, help="so many more behind them, of the sources of --of alone")
    parser.add_argument("--of", nargs="*", default=[])
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources not to use")
    parser.add_argument("--out", type=Path, default=Path("work/small/pool.jsonl"))
    arguments = parser.parse_args()
    records = [json.loads(line) for pool in arguments.pool for line in pool.open(encoding="utf-8")]
    records = [record for record in records if record["src"] not in arguments.leave_out]
    chosen = spread(records, arguments.passages)
    taken = {id(record) for record in chosen}
    chosen += spread((r for r in records if r["src"] in arguments.of and id(r) not in taken), arguments.then)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in chosen)
    print(json.dumps(Counter(record["src"] for record in chosen)))


if __name__ == "__main__":
    main()
