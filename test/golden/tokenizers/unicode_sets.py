"""Asks the real `tokenizers` library what its many Unicode tables say; writes packages/core/src/text/unicode/sets.ts.

    pip install tokenizers==0.23.3
    python unicode_sets.py path/to/unicode-segmentation/src/tables.rs > ../../../packages/core/src/text/unicode/sets.ts

The library hides the table of grapheme clusters, so that one is read from the Rust crate it is built with
(unicode-segmentation) and then checked against the library for every code point.
"""
import re
import struct
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

from ranges import encode, lines

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def where(test):
    return [c for c in POINTS if test(chr(c))]


def matching(expression):
    """Code points that an Oniguruma expression matches: what replacing its matches by nothing removes."""
    replace = normalizers.Replace(Regex(expression), "")
    matched = []
    for at in range(0, len(POINTS), 4096):
        chunk = POINTS[at : at + 4096]
        rest = set(replace.normalize_str("".join(map(chr, chunk))))
        matched += [c for c in chunk if chr(c) not in rest]
    return matched


nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
lower, strip = normalizers.Lowercase(), normalizers.StripAccents()
word, digits = pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)

sets = {
    "WORD": ("`\\w` of Rust's regular expressions.", where(lambda s: len(p := word.pre_tokenize_str("a" + s + "a")) == 1 and p[0][0] == "a" + s + "a")),
    "NUMERIC": ("`char::is_numeric` of Rust.", where(lambda s: len(digits.pre_tokenize_str("a" + s + "a")) == 3)),
    "COMBINING": ("Removed by StripAccents.", where(lambda s: strip.normalize_str(s) == "")),
    "DECOMPOSED": ("Decomposed by NFD.", where(lambda s: nfd.normalize_str(s) != s)),
    "COMPATIBLE": ("Decomposed by NFKD.", where(lambda s: nfkd.normalize_str(s) != s)),
    "LOWERED": ("Changed by Lowercase.", where(lambda s: lower.normalize_str(s) != s)),
}

# Later than the oldest Node's tables: what these become is written out.
new_lower = {s: lower.normalize_str(s) for s in map(chr, sets["LOWERED"][1]) if s.lower() != lower.normalize_str(s)}
for c in POINTS:
    if nfkd.normalize_str(chr(c)) != chr(c):
        assert nfkd.normalize_str(chr(c)) == unicodedata.normalize("NFKD", chr(c)), hex(c)
        assert nfd.normalize_str(chr(c)) == unicodedata.normalize("NFD", chr(c)) or nfd.normalize_str(chr(c)) == chr(c), hex(c)

# A character that the crate knows to combine moves in front of U+0345, whose class (240) is the highest.
classes = {}
for c in POINTS:
    s = chr(c)
    if s == "\u0345" or nfd.normalize_str(s) == s and nfd.normalize_str("\u0345" + s) == s + "\u0345":
        classes.setdefault(unicodedata.combining(s), []).append(c)
for low, one in classes.items():
    for high, other in classes.items():
        a, b = chr(one[0]), chr(other[0])
        assert (nfd.normalize_str(b + a) == a + b) == (low < high) or low == high or a == b, (low, high)

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf".split()
categories = {name: matching(f"\\p{{{name}}}") for name in CATEGORIES}
union = lambda prefix: sorted(c for name, points in categories.items() if name.startswith(prefix) for c in points)
for letter in "LMNPSZ":
    assert matching(f"\\p{{{letter}}}") == union(letter), letter
assert matching("\\d") == categories["Nd"]
sets["ONIGURUMA_WORD"] = ("`\\w` of Oniguruma.".replace("\\\\", "\\"), matching("\\w"))
assert matching("\\s") == where(lambda s: len(pre_tokenizers.WhitespaceSplit().pre_tokenize_str("a" + s + "b")) == 2), "\\s"
assert set(sets["ONIGURUMA_WORD"][1]) - set(matching("[\\w]")) == {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE}
sets["HAN"] = ("`\\p{Han}` of Oniguruma.", matching("\\p{Han}"))

source = open(sys.argv[1]).read()
table = source[source.index("const grapheme_cat_table") :]
table = table[: table.index("];")]
graphemes = {}
for first, last, name in re.findall(r"\('\\u\{(\w+)\}',\s*'\\u\{(\w+)\}',\s*GC_(\w+)\)", table):
    graphemes.setdefault(name, []).extend(range(int(first, 16), int(last, 16) + 1))
incb = source[source.index("const InCB_Extend_table") :]
incb = incb[: incb.index("];")]
linker = re.search(r"fn is_incb_linker.*?matches!\((.*?)\)", source, re.S) or re.search(r"fn is_incb_linker(.*?)\n}", source, re.S)
graphemes["InCB_Linker"] = sorted({int(x, 16) for x in re.findall(r"'\\u\{(\w+)\}'", linker.group(1))})
graphemes["InCB_Extend"] = [
    c for first, last in re.findall(r"\('\\u\{(\w+)\}',\s*'\\u\{(\w+)\}'\)", incb) for c in range(int(first, 16), int(last, 16) + 1)
]


def charsmap(key, value):
    """The smallest SentencePiece charsmap: one letter becomes another."""
    units = [0] * 512
    units[0] = (0 ^ 256) << 10  # root: children at 256 ^ label
    at = 256 ^ ord(key)
    units[at] = (at ^ 300) << 10 | 1 << 8 | ord(key)
    units[300] = 1 << 31 | 0
    blob = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + value.encode() + b"\0"
    return blob


probe = normalizers.Precompiled(charsmap("a", "X"))
assert probe.normalize_str("ab") == "Xb"
follows = set(graphemes["Extend"]) | set(graphemes["SpacingMark"]) | set(graphemes["ZWJ"])
wrong = [hex(c) for c in POINTS if (probe.normalize_str("a" + chr(c)) == "X") != (c in follows)]
assert not wrong, f"unicode-segmentation is of another version than the library's: {wrong[:20]}"

escaped = lambda text: "".join(f"\\u{{{ord(ch):x}}}" for ch in text)
print(f"""// Written by test/golden/tokenizers/unicode_sets.py from Python tokenizers {tokenizers.__version__}; do not edit.
//
// Ranges as in class-tables.ts, in base 36: gap from the end of the last range, then "." and the length less one.
/* oxlint-disable */
""")


def ranges(points, indent):
    parts = list(lines(encode(points), 1000))
    return (" +\n" + " " * indent).join(f"'{part}'" for part in parts) or "''"


for name, (what, points) in sets.items():
    print(f"/** {what} */\nexport const {name} =\n  {ranges(points, 2)}\n")


def record(name, what, entries):
    print(f"/** {what} */\nexport const {name}: Readonly<Record<string, string>> = {{")
    for key, points in entries.items():
        print(f"  {key}:\n    {ranges(points, 4)},")
    print("}\n")


record("CATEGORY", "General categories of Oniguruma.", categories)
record("COMBINING_CLASS", "Canonical combining classes other than 0, as the Unicode normaliser has them.", dict(sorted(classes.items())))
record("GRAPHEME", "Grapheme cluster breaks, and what rule GB9c needs.", graphemes)
print("/** Letters that are newer than some Node versions, each with its lower case. */")
print("export const NEW_LOWER =\n  '" + escaped("".join(upper + low for upper, low in new_lower.items())) + "'")
assert all(len(upper) == len(low) == 1 for upper, low in new_lower.items())
