"""Readers of packages: each yields (query or None, [paragraph, …]); what is a query is not among the paragraphs.

The text of a query is what someone wrote above the paragraphs: a heading, the first sentence of a docstring, the name of a term.
"""

import ast
import gzip
import json
import re
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
from sources import Sections, squeeze  # noqa: E402

# Headings that say nothing without the page they stand on.
GENERIC = {
    "about", "abstract", "additional information", "arguments", "attributes", "background", "classes", "configuration", "contents",
    "description", "details", "documentation", "example", "example usage", "examples", "features", "further reading", "functions",
    "general", "getting started", "import", "installation", "introduction", "limitations", "methods", "motivation", "notes",
    "optional", "options", "output", "overview", "parameters", "prerequisites", "properties", "references", "required", "requirements",
    "return values", "returns", "see also", "summary", "synopsis", "syntax", "todo", "usage", "variables", "what's next", "next steps",
}


def plain_markup(text):
    """Prose without the marks of reStructuredText, Markdown and Javadoc."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    text = re.sub(r"`([^`<]+?)\s*<[^`>]+>`_*", r"\1", text)
    text = re.sub(r":[\w:+.-]+:`~?!?([^`<]+?)(?:\s*<[^`>]*>)?`", r"\1", text)
    text = re.sub(r"\{@\w+ ([^}|]*?)(?:\|([^}]*))?\}", lambda m: m.group(2) or m.group(1), text)
    text = re.sub(r"\b[A-Z]\(([^()]*)\)", lambda m: m.group(1).split(",")[0], text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", text)
    text = re.sub(r"``|`_*|\*\*|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|\[[\w#]+\]_|\|(?=\w)|(?<=\w)\|", "", text)
    return squeeze(text.replace("\\", ""))


def first_sentence(text):
    """(first sentence, what follows)"""
    found = re.match(r"(.{12,}?[a-z\d)\"'][.!?])(?:\s+(?=[A-Z\"'(])|$)", text, re.DOTALL)
    return (found.group(1).rstrip("."), text[found.end() :]) if found else (None, text)


def heading_query(heading, title):
    heading = re.sub(r"^[\d.]+\s+", "", plain_markup(heading)).strip(" #:¶")
    if heading.lower().rstrip(".") in GENERIC or len(heading.split()) < 3:
        title = plain_markup(title)
        return f"{title} {heading}" if title and title.lower() != heading.lower() else None
    return heading


def markdown_sections(text):
    text = re.sub(r"\A---\n.*?\n---\n", lambda m: title_line(m.group()), text, flags=re.DOTALL)
    text = re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1\s*$", "", text)
    text = re.sub(r"(?s)<!--.*?-->", "", text)
    title, heading, lines = "", "", []
    for line in [*text.split("\n"), "# end"]:
        found = re.match(r"#{1,6}\s+(.+?)\s*#*$", line)
        if not found:
            lines.append("" if line.lstrip().startswith(("|", "import ", "export ", ":::")) else line)
            continue
        if lines:
            yield heading_query(heading, title), paragraphs_of(lines)
        heading, lines = found.group(1), []
        title = title or heading


def title_line(front):
    found = re.search(r"^title:\s*(.+)$", front, re.MULTILINE)
    return f"# {found.group(1).strip(chr(34))}\n" if found else ""


def rst_sections(text):
    title, heading, lines = "", "", []
    source = [line.rstrip() for line in text.expandtabs(8).split("\n")]
    i = 0
    while i < len(source):
        line = source[i]
        under = source[i + 1] if i + 1 < len(source) else ""
        if line and not line[0].isspace() and re.fullmatch(r"([=\-~^\"'`#*+.:_])\1{2,}", under) and len(under) >= len(line) - 1 and re.search("[a-zA-Z]{2}", line):
            yield heading_query(heading, title), paragraphs_of(lines)
            heading, lines = line, []
            title = title or heading
            i += 2
            continue
        lines.append(line)
        i += 1
    yield heading_query(heading, title), paragraphs_of(lines)


def paragraphs_of(lines):
    """Paragraphs without directives, literal blocks, tables and lists of fields; a block indented under a description stays."""
    paragraphs, block = [], []
    skipped = None  # indentation of the directive or literal whose body is left out
    kept = {".. note", ".. warning", ".. tip", ".. important", ".. admonition", ".. versionadded", ".. versionchanged", ".. deprecated", ".. seealso"}
    for line in [*lines, ""]:
        indent = len(line) - len(line.lstrip())
        bare = line.strip()
        if skipped is not None:
            if not bare or indent > skipped:
                continue
            skipped = None
        if bare.startswith(".. "):
            if not any(bare.startswith(start) for start in kept):
                skipped = indent
            bare = ""
        if re.match(r"(>>>|\.\.\. |\$ |% |\+[-=]{2}|[=\-]{3,}|:[\w ]+:( |$)|@\w+)", bare):
            bare = ""
        starts = re.match(r"([*+-]|\d+\.|#\.) ", bare)
        if (not bare or starts) and block:
            text = " ".join(block)
            if text.endswith("::"):
                text = text[:-1]
                if not bare:
                    skipped = block_indent
            paragraphs.append(plain_markup(text))
            block = []
        if bare:
            if not block:
                block_indent = indent
            block.append(bare[starts.end() :] if starts else bare)
    return [p for p in paragraphs if len(p.split()) >= 5]


def html_sections(text):
    parser = Sections()
    parser.feed(text)
    parser.flush()
    title = parser.sections[0][0] if parser.sections else ""
    for heading, paragraphs in parser.sections:
        yield heading_query(heading, title), paragraphs


def docstrings(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    waiting = [tree]
    while waiting:
        node = waiting.pop(0)
        written = ast.get_docstring(node)
        if written and len(written) > 150:
            yield from described(paragraphs_of(written.split("\n")))
        waiting += [inner for inner in node.body if isinstance(inner, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))]


def described(paragraphs):
    """The first sentence asks for the rest."""
    if not paragraphs:
        return
    query, rest = first_sentence(paragraphs[0])
    yield (query, [p for p in [rest, *paragraphs[1:]] if p.strip()])


def declarations(text):
    """JSDoc comments of a .d.ts file."""
    for comment in re.findall(r"/\*\*(.*?)\*/", text, re.DOTALL):
        lines = [re.sub(r"^\s*\* ?", "", line) for line in comment.split("\n")]
        text = re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1\s*$", "", "\n".join(lines))
        before = re.split(r"(?m)^\s*(?:@(?:example|see|since|deprecated|type|returns?)\b|#+ )", text)[0]
        before = re.sub(r"(?m)^\s*@(?:remarks|description)\s*", "\n", before)
        before = re.sub(r"(?m)^\s*@param\s+(?:\{[^}]*\}\s*)?(?:\S+)\s*-?\s*", "\n", before)
        yield from described(paragraphs_of(before.split("\n")))


def ansible_module(text):
    """`short_description` asks for description and options."""
    import yaml

    found = re.search(r"^DOCUMENTATION\s*=\s*r?([\"']{3})(.*?)\1", text, re.DOTALL | re.MULTILINE)
    if not found:
        return
    try:
        about = yaml.load(found.group(2), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return
    if not isinstance(about, dict) or not isinstance(about.get("short_description"), str):
        return
    words = lambda value: plain_markup(" ".join(str(v) for v in (value if isinstance(value, list) else [value]) if v))  # noqa: E731
    options = about.get("options") if isinstance(about.get("options"), dict) else {}
    described_options = [f"{name}: {words(o.get('description'))}" for name, o in options.items() if isinstance(o, dict)]
    yield plain_markup(about["short_description"]), [words(about.get("description"))]
    yield None, [words(about.get("notes")), *described_options]


def aws_service(data):
    """Operations and shapes of a service: the first sentence asks for the rest."""
    service = json.loads(gzip.decompress(data))
    entries = [*service.get("operations", {}).values(), *service.get("shapes", {}).values()]
    for entry in entries:
        written = entry.get("documentation", "")
        if len(written) > 200:
            yield from described([plain_markup(p) for p in re.split(r"</p>|</li>", written)])


def google_service(data):
    """Methods, schemas and their properties of an interface."""

    def walk(value):
        if isinstance(value, dict):
            written = value.get("description")
            if isinstance(written, str) and len(written) > 200:
                yield written
            for inner in value.values():
                yield from walk(inner)

    for written in walk(json.loads(data)):
        yield from described([plain_markup(written)])


def prowler_check(data):
    check = json.loads(data)
    advice = check.get("Remediation", {}).get("Recommendation", {}).get("Text", "")
    yield check.get("CheckTitle"), [plain_markup(t) for t in (check.get("Description"), check.get("Risk"), advice) if t]


def weaknesses(data):
    """Common Weakness Enumeration: a name asks for its description."""
    for entry in ElementTree.fromstring(data).iter():
        if entry.tag.split("}")[-1] in ("Weakness", "Category"):
            texts = ("Description", "Summary", "Extended_Description", "Background_Details", "Common_Consequences", "Potential_Mitigations")
            parts = [squeeze(" ".join(part.itertext())) for part in entry if part.tag.split("}")[-1] in texts]
            yield entry.get("Name"), [part for part in parts if part]


def phenotypes(data):
    """Human Phenotype Ontology: a term's name asks for its definition."""
    for term in data.decode().split("\n\n[Term]\n"):
        fields = dict(reversed([line.split(": ", 1) for line in term.split("\n") if ": " in line]))
        definition = re.match(r'"((?:[^"\\]|\\.)*)"', fields.get("def", ""))
        if definition and "is_obsolete" not in fields:
            yield fields["name"], [t for t in (squeeze(definition.group(1)), fields.get("comment", "")) if t]


def articles(data):
    """Introductions of encyclopaedia articles: the title asks, and the first sentence, which repeats it, is left out."""
    for article in json.loads(data).values():
        _, rest = first_sentence(squeeze(article["extract"]))
        yield article["title"], [rest]


def licence_texts(data):
    about = json.loads(data)
    sections = re.split(r"\n\s*\n", about.get("licenseText", ""))
    for paragraph in sections:
        found = re.match(r"\s*(?:\d+(?:\.\d+)*\.?|\([a-z]\)|ARTICLE \w+|Section \d+)\s*[.:-]?\s*([A-Z][\w ,'-]{6,60})[.:\n]\s*(.*)", paragraph, re.DOTALL)
        if found:
            yield f"{about['name']} {found.group(1)}", [squeeze(found.group(2))]
        else:
            yield None, [squeeze(paragraph)]


def registry_entries(data):
    for entry in json.loads(data).values():
        if entry.get("name") and entry.get("description"):
            yield entry["name"], [plain_markup(entry["description"])]


def schema_descriptions(data):
    """Descriptions anywhere in a JSON schema."""
    yield from google_service(data)


TEXT_READERS = {
    "markdown": markdown_sections,
    "rst": rst_sections,
    "html": html_sections,
    "docstrings": docstrings,
    "declarations": declarations,
    "ansible": ansible_module,
}
BYTE_READERS = {
    "aws": aws_service,
    "google": google_service,
    "prowler": prowler_check,
    "weaknesses": weaknesses,
    "phenotypes": phenotypes,
    "articles": articles,
    "licences": licence_texts,
    "registry": registry_entries,
    "schema": schema_descriptions,
}


def read(kind, data):
    if kind in BYTE_READERS:
        yield from BYTE_READERS[kind](data)
    else:
        yield from TEXT_READERS[kind](data.decode("utf-8", "ignore"))
