"""Training texts -> `pool.jsonl`: passages with queries, checked against the evaluation collections, as word pieces.

    python prepare.py --debian work/debian --pool train_pool.jsonl.gz --check ../bench/data/* --out work/pool.jsonl

A passage or query goes when it shares 13 consecutive words with any document or query of a collection given to
`--check`, when a query equals one of the collection's, or when a Wikipedia article has the title of one of its
documents. `contamination.json` beside the output counts what went.
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

import sources
from evaluate import lines
from student import Text

# Share of a source's passages that is used: prose about science most, dictionaries least.
SCIENCE = ("scikit-learn", "scipy", "statsmodels", "phylip", "biopython", "nibabel", "astropy", "scikit-image", "r")
SHARES = {s: 0.9 for s in SCIENCE}
SHARES |= {"gene-ontology": 0.6, "wiki": 1, "anarchism": 0.8, "medquad": 1, "debian": 0.6, "gcide": 0.15, "wn": 0.1, "foldoc": 0.5}
OTHERS = 0.5
# The development set: passages held out of each of these, about a fifth of them with their heading, term or question as query.
DEV = {"medquad": 1500, "gene-ontology": 1500, "wiki": 1000, "debian": 1300, "documentation": 2000}
NO_DOCUMENTATION = {"medquad", "gene-ontology", "wiki", "debian", "gcide", "wn", "foldoc"}
DEV_QUERIES = 300
STOP = set("the a an of and or to in is are for on with as by it this that be from at not can which if you was were has".split())
WORD = re.compile(r"[a-z0-9]+")
GRAM = 13


def words(text):
    return WORD.findall(text.lower())


class Contamination:
    def __init__(self, folders):
        self.grams, self.queries, self.titles = {}, {}, {}
        for folder in folders:
            for file in ("corpus.jsonl", "queries.jsonl"):
                for record in lines(folder / file):
                    title = record.get("title") or ""
                    self.titles[title.lower().replace("_", " ")] = folder.name
                    w = words(f"{title} {record['text']}")
                    for i in range(len(w) - GRAM + 1):
                        self.grams[hash(tuple(w[i : i + GRAM]))] = folder.name
                    if file.startswith("queries"):
                        self.queries[" ".join(w)] = folder.name

    def of_title(self, title):
        """The collection with a document of this title: Wikipedia articles go by it, whatever their wording."""
        return self.titles.get(title.lower()) if title else None

    def of(self, text):
        """The collection this text touches, or None."""
        w = words(text)
        if " ".join(w) in self.queries:
            return self.queries[" ".join(w)]
        return next((self.grams[h] for i in range(len(w) - GRAM + 1) if (h := hash(tuple(w[i : i + GRAM]))) in self.grams), None)


def made_queries(text, random_):
    """One query made from the passage itself: a sentence, a fragment of one, or a few of its rarer words."""
    sentences = [s for s in re.split(r"(?<=[.!?])\s+", text) if 6 <= len(s.split()) <= 32]
    kind = random_.choices(["sentence", "fragment", "keywords"], [5, 2, 3])[0]
    if kind != "keywords" and len(sentences) >= 2:
        w = random_.choice(sentences).split()
        if kind == "fragment":
            size = random_.randint(4, 8)
            at = random_.randint(0, max(0, len(w) - size))
            w = w[at : at + size]
        return " ".join(w)
    choice = list(dict.fromkeys(w for w in re.findall(r"[A-Za-z][\w-]{3,}", text.lower()) if w not in STOP))
    return " ".join(random_.sample(choice, min(len(choice), random_.randint(2, 5))))


def vocabulary_lists(text, counts, random_, length=60):
    """Shuffled word pieces as passages, rare ones up to six times: most of the vocabulary hardly occurs in the texts.

    `counts[id]` says how often a piece does; the lists teach the word embeddings of the others.
    """
    pile = []
    for token, number in sorted(text.tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        bare = token.lstrip("#")
        if len(bare) > 1 and bare.isascii() and bare.isalnum():
            pile += [number] * (6 if counts[number] < 30 else 2 if counts[number] < 300 else 1)
    random_.shuffle(pile)
    for at in range(0, len(pile) - length + 1, length):
        pieces = pile[at : at + length]
        first = random_.randrange(length - 6)
        query = pieces[first : first + random_.randint(3, 5)]
        yield {"src": "vocabulary", "d": text.frame(pieces, False), "q": [text.frame(query, True)]}


def take_development_set(records):
    """Splits shuffled (source, passage, queries, natural) records -> (records to train on, development records).

    A development query is a natural one (no query made from the passage), of three words or more outside of Wikipedia's
    titles and the ontology's terms, and asked of one held-out passage only.
    """
    held, rest = {group: [] for group in DEV}, []
    for record in records:
        group = record[0] if record[0] in NO_DOCUMENTATION else "documentation"
        part = held.get(group)
        (rest if part is None or len(part) == DEV[group] else part).append(record)
    development = []
    for group, part in held.items():
        often = Counter(natural for *_, natural in part)
        asked = 0
        for _, passage, _, natural in part:
            enough = 1 if group in ("wiki", "gene-ontology") else 3
            ask = asked < DEV_QUERIES and natural and often[natural] == 1 and len(natural.split()) >= enough
            asked += bool(ask)
            development.append((group, passage, [natural] if ask else [], natural))
    return rest, development


def all_documents(arguments):
    if arguments.pool:
        yield from sources.ready_pool(arguments.pool)
    if arguments.debian:
        for reader in (sources.gene_ontology, sources.html_pages, sources.pods, sources.manual_pages, sources.dictionaries):
            yield from reader(arguments.debian)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debian", type=Path, help="folder into which the Debian packages were unpacked")
    parser.add_argument("--pool", type=Path, help="a ready pool (.jsonl.gz)")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="BEIR folders no text may come from")
    parser.add_argument("--tokenizer", type=Path, required=True, help="tokenizer.json of BERT uncased")
    parser.add_argument("--out", type=Path, default=Path("work/pool.jsonl"))
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources not to use")
    parser.add_argument("--train-only", action="store_true", help="hold nothing back for development")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()

    random_ = random.Random(arguments.seed)
    contamination = Contamination(arguments.check)
    found, dropped, seen = Counter(), {}, set()
    by_source: dict[str, list] = {}
    for source, title, text, queries in all_documents(arguments):
        if source in arguments.leave_out:
            continue
        found[source] += 1
        start = " ".join(words(text)[:14])
        if start in seen:
            continue  # MedQuAD and reference manuals repeat whole passages
        seen.add(start)
        made = made_queries(text, random_)
        touched = contamination.of(f"{title} {text}") or (contamination.of_title(title) if source == "wiki" else None)
        natural = random_.choice(queries[:2])
        natural = natural if natural and not contamination.of(natural) else ""
        kept = [q for q in [natural, made] if q and not contamination.of(q)]
        if touched or not kept:
            dropped.setdefault(touched or "queries only", Counter())[source] += 1
            continue
        passage = f"{title} {text}".strip() if source == "wiki" else text
        by_source.setdefault(source, []).append((source, passage, kept, natural))
    records = []
    for source, part in by_source.items():
        random_.shuffle(part)
        records += part[: round(SHARES.get(source, OTHERS) * len(part))]
    random_.shuffle(records)
    records, development = (records, []) if arguments.train_only else take_development_set(records)

    text = Text(arguments.tokenizer)
    counts: dict[str, Counter] = {}
    seen_pieces: Counter = Counter()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    written = [(arguments.out, records)] + [(arguments.out.with_name("dev.jsonl"), development)] * (not arguments.train_only)
    for target, part in written:
        with open(target, "w", encoding="utf-8") as file:
            for source, passage, queries, _ in part:
                d = text.frame(text.pieces([passage])[0], False)
                q = [text.frame(p, True, 64) for p in text.pieces(queries)]
                name = source
                if part is development:
                    name = f"development: {source}"
                else:
                    seen_pieces.update(d)
                counts.setdefault(name, Counter()).update(documents=1, queries=len(q), tokens=len(d) + sum(map(len, q)))
                file.write(json.dumps({"src": source, "text": passage, "queries": queries, "d": d, "q": q}) + "\n")
    with open(arguments.out.with_name("vocabulary.jsonl"), "w", encoding="utf-8") as file:
        for record in vocabulary_lists(text, seen_pieces, random_):
            file.write(json.dumps(record) + "\n")
    report = {
        "gram": GRAM,
        "checked": sorted(f.name for f in arguments.check),
        "found": dict(found),
        "dropped": {k: dict(v) for k, v in dropped.items()},
        "used": {k: dict(v) for k, v in sorted(counts.items())},
        "total to train on": dict(sum((v for k, v in counts.items() if not k.startswith("development")), Counter())),
    }
    arguments.out.with_name("contamination.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
