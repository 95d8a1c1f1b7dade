"""Collects passages and known-item queries from packages of public registries, see README.md.

    python bench/large/collect.py [--out bench/.cache/large] [--most 56000] [--times 1]

Packages are those of packages.jsonl, downloaded by pip and npm at the versions named there and kept, not installed. Writes
passages.jsonl, one topic after another and package after package, and queries.jsonl, whose first n are spread evenly over the topics. The same packages and seed give the same files.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from readers import read  # noqa: E402

SHORTEST, USUAL, LONGEST = 28, 70, 115  # words of a passage
QUERY_WORDS = range(3, 26)
QUERIES = 3000
# What is not prose has few of these: lists of names, code, tables, other languages.
COMMON = set("the a an of to in is and or for be by with that this are as on if it from which not can will when at you has have was were".split())

# Tests, copies of other packages, translations and news.
LEFT_OUT = re.compile(r"(^|/)(tests?|testing|_?vendor(ed)?|locales?|node_modules|po)/|changelog|changes|release", re.IGNORECASE)
NOT_LETTERS = re.compile(r"[^a-zA-Z\s]+")


def download(package, folder):
    """The archive of a package, downloaded once."""
    registry, name, version = package["registry"], package["name"], package["version"]
    folder = folder / registry.replace(" ", "-") / re.sub(r"\W+", "-", f"{name} {version}")
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        part.mkdir(parents=True, exist_ok=True)
        if registry == "npm":
            command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(part), f"{name}@{version}"]
        else:
            kind = ["--no-binary", name]
            if registry == "pypi":  # the same file on every machine
                kind = ["--only-binary", ":all:", "--python-version", "3.12"]
                kind += ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"]
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *kind, "-d", str(part), f"{name}=={version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        part.rename(folder)
    return next(path for path in sorted(folder.iterdir()) if path.suffix in (".whl", ".zip", ".tgz", ".gz"))


def files_of(archive, kinds):
    """(kind, bytes) of each file that is to be read, in the order of paths; the top folder of a source archive is left out."""

    def kind_of(path):
        if LEFT_OUT.search(path):
            return None
        return next((kind for pattern, kind in kinds.items() if re.search(pattern, path)), None)

    found = []
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as whole:
            found = [(name, whole.read(name)) for name in whole.namelist() if kind_of(name)]
    else:
        with tarfile.open(archive) as whole:  # read from front to back: going back in it decompresses it again
            for member in whole:
                path = member.name.partition("/")[2]
                if member.isfile() and kind_of(path):
                    found.append((path, whole.extractfile(member).read()))
    for path, data in sorted(found, key=lambda entry: entry[0]):
        yield kind_of(path), data


def chunks(paragraphs):
    """Paragraphs joined or cut at sentences to passages of SHORTEST to LONGEST words, about USUAL where there is a choice."""
    pieces = []
    for paragraph in paragraphs:
        whole = paragraph.split()
        pieces += [whole] if len(whole) <= LONGEST else [s.split() for s in re.split(r"(?<=[.!?;:])\s+", paragraph)]
    words = []
    for piece in pieces:
        if words and (len(words) >= USUAL or len(words) + len(piece) > LONGEST):
            yield words
            words = []
        words = words + piece
    yield words


def is_prose(words):
    text = " ".join(words)
    letters = len(NOT_LETTERS.sub("", text))
    common = sum(word.lower().strip(".,;:()") in COMMON for word in words)
    return SHORTEST <= len(words) <= LONGEST and letters > 0.85 * len(text) and common > 0.22 * len(words) and len(text) < 7.5 * len(words)


def normal(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def random_order(seed, key):
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


class Collection:
    def __init__(self, seed, times=1):
        self.seed, self.times = seed, times
        self.seen = set()  # beginnings and ends: boilerplate comes again with few words changed
        self.passages, self.queries = [], []

    def is_new(self, words):
        keys = [normal(" ".join(part)) for part in (words[:12], words[-12:])]
        if any(key in self.seen for key in keys):
            return False
        self.seen.update(keys)
        return True

    def add(self, package, archive):
        """@returns how many passages the package has and how many were taken"""
        sections = []
        for kind, data in files_of(archive, package["files"]):
            for query, paragraphs in read(kind, data):
                texts = [words for words in chunks(paragraphs) if is_prose(words) and self.is_new(words)]
                if texts:
                    sections.append((query, [" ".join(words) for words in texts]))
        found = sum(len(texts) for _, texts in sections)
        left = package.get("most", 1500) * self.times
        # Sections by chance until there are enough, then in their order again.
        chosen = set()
        for at in sorted(range(len(sections)), key=lambda at: random_order(self.seed, f"{package['name']} {at}")):
            if left <= 0:
                break
            chosen.add(at)
            left -= len(sections[at][1])
        number = 0
        for at in sorted(chosen):
            query, texts = sections[at]
            ids = [f"{package['name']}/{number + i}" for i in range(len(texts))]
            number += len(texts)
            self.passages += [{"id": id, "topic": package["topic"], "text": text} for id, text in zip(ids, texts)]
            if query and len(texts) <= 3:
                self.ask(package["topic"], query, ids, texts)
        return found, number

    def ask(self, topic, query, ids, texts):
        query = query.strip(" .:")
        asked = normal(query)
        letters = len(NOT_LETTERS.sub("", query))
        if len(query.split()) in QUERY_WORDS and letters > 0.8 * len(query) and not any(asked in normal(text) for text in texts):
            self.queries.append({"topic": topic, "text": query, "relevant": ids})

    def chosen_queries(self):
        """Asked once only, and topic by topic in turn, so that the first n are spread over all topics."""
        times = Counter(normal(query["text"]) for query in self.queries)
        by_topic = {}
        for query in self.queries:
            if times[normal(query["text"])] == 1:
                by_topic.setdefault(query["topic"], []).append(query)
        for topic, queries in by_topic.items():
            queries.sort(key=lambda query: random_order(self.seed, f"{topic} {query['text']}"))
        turns = sorted(
            ((turn, random_order(self.seed, f"{turn} {topic}"), query) for topic, queries in by_topic.items() for turn, query in enumerate(queries)),
            key=lambda entry: entry[:2],
        )
        return [{"id": f"q{i}", **query} for i, (_, _, query) in enumerate(turns[:QUERIES])]


def thinned(passages, queries, most, seed):
    """At most so many passages, by chance, and all that answer a query."""
    answers = {id for query in queries for id in query["relevant"]}
    others = sorted((p["id"] for p in passages if p["id"] not in answers), key=lambda id: random_order(seed, id))
    kept = answers.union(others[: max(0, most - len(answers))])
    return [passage for passage in passages if passage["id"] in kept]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=here.parent / ".cache" / "large")
    parser.add_argument("--packages", type=Path, default=here / "packages.jsonl")
    parser.add_argument("--only", help="names of packages that match; nothing is written")
    parser.add_argument("--most", type=int, default=56000, help="passages")
    parser.add_argument("--times", type=int, default=1, help="so many times a package's share of passages: 2 for --most 100000")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    packages = [json.loads(line) for line in options.packages.read_text(encoding="utf-8").splitlines()]
    collection = Collection(options.seed, options.times)
    for package in packages:
        if options.only and not re.search(options.only, package["name"]):
            continue
        found, taken = collection.add(package, download(package, options.out / "packages"))
        print(f"{package['topic']:<18} {package['name']:<28} {package['version']:<14} {taken:>6} of {found:>6} passages", flush=True)
    queries = collection.chosen_queries()
    passages = thinned(collection.passages, queries, options.most, options.seed)
    packages_taken = Counter(passage["id"].rpartition("/")[0] for passage in passages)
    for name, number in packages_taken.items():
        print(f"{name:<28} {number:>6}")
    words = [len(passage["text"].split()) for passage in passages]
    topics = len({passage["topic"] for passage in passages})
    print(f"{len(words)} passages of {sum(words) / len(words):.0f} words, {topics} topics, {len(queries)} of {len(collection.queries)} queries")
    if options.only:
        for query in queries[:12]:
            texts = {p["id"]: p["text"] for p in passages}
            print("\n?", query["text"], "\n ", texts[query["relevant"][0]])
        return
    write_lines(options.out / "passages.jsonl", passages)
    write_lines(options.out / "queries.jsonl", queries)


if __name__ == "__main__":
    main()
