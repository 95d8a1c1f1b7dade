"""Readers of the training texts: each yields (source, title, text, [query, …]) with a heading or a term as first query.

Debian packages are read from the folder they were unpacked into (`dpkg -x`), see README.md. What is not there is passed over.
"""

import gzip
import html
import json
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

LONGEST = 230  # words of a passage

HTML_FOLDERS = {  # source name -> folder of HTML pages; the licences are listed in README.md
    "apache": "usr/share/doc/apache2-doc/manual/en",
    "anarchism": "usr/share/doc/anarchism/html",
    "astropy": "usr/share/doc/python-astropy-doc/html",
    "brian": "usr/share/doc/python-brian-doc/docs",
    "biopython": "usr/share/doc/python-biopython-doc/Doc",
    "calculix": "usr/share/doc/calculix-ccx-doc/ccx",
    "debian-handbook": "usr/share/doc/debian-handbook/html/en-US",
    "gmsh": "usr/share/doc/gmsh-doc",
    "grass": "usr/share/doc/grass-doc/html",
    "libreoffice": "usr/share/libreoffice/help/en-US/text",
    "liggghts": "usr/share/doc/liggghts/doc",
    "massxpert": "usr/share/doc/massxpert/html",
    "maxima": "usr/share/doc/maxima-doc/html",
    "nibabel": "usr/share/doc/python-nibabel-doc/html",
    "octave": "usr/share/doc/octave/octave.html",
    "pandas": "usr/share/doc/python-pandas-doc/html",
    "phylip": "usr/share/doc/phylip/html",
    "postgresql": "usr/share/doc/postgresql-doc-15/html",
    "python": "usr/share/doc/python3.11/html",
    "r": "usr/share/R/doc/manual",
    "scikit-image": "usr/share/doc/python-skimage-doc/html",
    "scikit-learn": "usr/share/doc/python-sklearn-doc/html",
    "scipy": "usr/share/doc/python-scipy-doc/html",
    "sqlite": "usr/share/doc/sqlite3",
    "statsmodels": "usr/share/doc/python-statsmodels-doc/html",
    "sympy": "usr/share/doc/python-sympy-doc/html",
    "git": "usr/share/doc/git-doc",
}


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("¶", "").strip()


class Sections(HTMLParser):
    """Headings and the paragraphs below them; scripts, navigation, tables and code blocks are left out."""

    LEFT_OUT = {"script", "style", "pre", "nav", "table", "header", "footer", "head", "form"}
    BLOCKS = {"p", "li", "dd", "dt", "div", "br", "section"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.depth, self.inside_heading, self.heading, self.text = 0, False, "", []
        self.sections = []

    def flush(self):
        paragraphs = [squeeze(p) for p in "".join(self.text).split("\n\n")]
        paragraphs = [p for p in paragraphs if len(p.split()) >= 8]
        if self.heading.strip() and paragraphs:
            self.sections.append((squeeze(self.heading), paragraphs))
        self.text = []

    def handle_starttag(self, tag, attributes):
        if tag in self.LEFT_OUT:
            self.depth += 1
        elif re.fullmatch("h[1-5]", tag) and not self.depth:
            self.flush()
            self.heading, self.inside_heading = "", True
        elif tag in self.BLOCKS:
            self.text.append("\n\n")

    def handle_endtag(self, tag):
        if tag in self.LEFT_OUT:
            self.depth = max(0, self.depth - 1)
        elif re.fullmatch("h[1-5]", tag):
            self.inside_heading = False

    def handle_data(self, data):
        if self.depth:
            return
        if self.inside_heading:
            self.heading += data
        else:
            self.text.append(data)


def passages(paragraphs):
    """Joins paragraphs to passages of at most LONGEST words."""
    words: list[str] = []
    for paragraph in paragraphs:
        new = paragraph.split()
        if words and len(words) + len(new) > LONGEST:
            yield " ".join(words)
            words = []
        words += new[:LONGEST]
    if words:
        yield " ".join(words)


def documents_of(source, heading, paragraphs, page=""):
    heading = re.sub(r"^[\d.A-Z]{0,2}[\d.]+\s+", "", heading).strip(" #:")
    query = heading if len(heading.split()) >= 3 or not page else f"{page} {heading}"
    for at, text in enumerate(passages(paragraphs)):
        if len(text.split()) >= 25 and at < 4 and len(query) > 3:
            yield source, heading, text, [query]


def html_pages(root: Path):
    for source, folder in HTML_FOLDERS.items():
        for page in sorted((root / folder).rglob("*.htm*")):
            if not page.is_file() or "genindex" in page.name or "releaselog" in page.parts or "_modules" in page.parts:
                continue
            if source == "git" and page.suffix != ".html":
                continue
            parser = Sections()
            parser.feed(page.read_text(encoding="utf-8", errors="ignore"))
            parser.flush()
            first = parser.sections[0][0] if parser.sections else ""
            for heading, paragraphs in parser.sections:
                yield from documents_of(source, heading, paragraphs, first if first != heading else "")


def pods(root: Path):
    for page in sorted((root / "usr/share/perl").rglob("*.pod")):
        heading, paragraphs = "", []
        for block in page.read_text(encoding="utf-8", errors="ignore").split("\n\n"):
            if block.startswith("=head"):
                yield from documents_of("perl", heading, paragraphs, page.stem)
                heading, paragraphs = plain_pod(block.split(None, 1)[1] if " " in block else ""), []
            elif block and not block.startswith((" ", "\t", "=")) and len(block.split()) >= 8:
                paragraphs.append(plain_pod(block))
        yield from documents_of("perl", heading, paragraphs, page.stem)


def plain_pod(text):
    for _ in range(3):
        text = re.sub(r"[A-Z]<+ ?([^<>]*?) ?>+", lambda m: m.group(1).split("|")[0], text)
    return squeeze(text)


def manual_pages(root: Path):
    for page in sorted((root / "usr/share/man").glob("man[1-8]/*.gz")):
        raw = gzip.open(page, "rt", encoding="utf-8", errors="ignore").read()
        name, heading, paragraphs = "", "", []
        for block in re.split(r"\n(?=\.(?:SH|SS|PP|TP|P)\b)", raw):
            start = re.match(r"\.S[HS] \"?([^\n\"]*)\"?\n?", block)
            text = squeeze(re.sub(r"\\f.|\\", "", re.sub(r"\n\.\w+ ?", "\n", "\n" + block[start.end() if start else 0 :])))
            if start:
                if heading in ("DESCRIPTION", "NOTES", "BUGS"):
                    yield from documents_of("manual", name, paragraphs)
                heading, paragraphs = start.group(1), []
                if heading == "NAME":
                    name = text.replace(" - ", " ")
            if len(text.split()) >= 8:
                paragraphs.append(text)
        if heading in ("DESCRIPTION", "NOTES", "BUGS"):
            yield from documents_of("manual", name, paragraphs)


def gene_ontology(root: Path):
    """Terms and definitions of the Gene Ontology (CC BY 4.0) in r-bioc-go.db."""
    file = root / "usr/lib/R/site-library/GO.db/extdata/GO.sqlite"
    if not file.exists():
        return
    data = sqlite3.connect(file)
    synonyms: dict[int, list[str]] = {}
    for term, synonym in data.execute("select _id, synonym from go_synonym where like_go_id = 0 order by _id, synonym"):
        synonyms.setdefault(term, []).append(synonym)
    rows = data.execute("select _id, term, definition from go_term order by _id")
    for number, term, definition in rows:
        if definition and len(definition.split()) >= 15 and not definition.startswith("OBSOLETE"):
            others = [s for s in synonyms.get(number, []) if s.lower() != term.lower()]
            yield "gene-ontology", "", squeeze(definition), [term, *others[:1]]


def dictionaries(root: Path):
    """Entries of dict-gcide, dict-wn and dict-foldoc."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(code):
        value = 0
        for c in code:
            value = value * 64 + digits.index(c)
        return value

    for name in ("gcide", "wn", "foldoc"):
        folder = root / "usr/share/dictd"
        if not (folder / f"{name}.index").exists():
            continue
        body = gzip.open(folder / f"{name}.dict.dz").read()
        seen = set()
        for line in (folder / f"{name}.index").read_text(encoding="utf-8", errors="ignore").splitlines():
            word, start, length = line.split("\t")[:3]
            if start in seen or word.startswith("00"):
                continue
            seen.add(start)
            text = body[number(start) : number(start) + number(length)].decode("utf-8", "ignore")
            text = re.sub(r"\[1913 Webster\]|\[PJC\]|\[WordNet [\d.]+\]|[{}]|--[A-Z][\w. ]+\.", "", text)
            text = squeeze(text)
            if len(text.split()) >= 30:
                yield name, "", " ".join(text.split()[:LONGEST]), [word]


def ready_pool(path: Path):
    """A `.jsonl.gz` of {src, title, text, q: [[kind, text], …]} made before."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            r = json.loads(line)
            by_kind = dict(reversed([tuple(q) for q in r["q"]]))  # the first of a kind
            titles = [q for kind, q in r["q"] if kind == "title"][:2]
            yield r["src"], html.unescape(r["title"]), r["text"], titles or [by_kind.get("kw", "")]
