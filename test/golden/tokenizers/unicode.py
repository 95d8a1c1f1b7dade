"""Asks the real `tokenizers` library what it thinks of every code point; writes packages/core/src/text/unicode/class-tables.ts.

    pip install tokenizers==0.22.2 && python unicode.py > ../../../packages/core/src/text/unicode/class-tables.ts
"""
import tokenizers
from tokenizers import normalizers, pre_tokenizers

from ranges import encode, lines

OFF = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
clean = normalizers.BertNormalizer(**{**OFF, "clean_text": True})
strip = normalizers.BertNormalizer(**{**OFF, "strip_accents": True})
nfd = normalizers.NFD()
bert = pre_tokenizers.BertPreTokenizer()
bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)

sets = {"dropped": [], "mark": [], "punctuation": [], "letter": [], "number": []}
for c in range(0x110000):
    if 0xD800 <= c < 0xE000:
        continue
    s = chr(c)
    if clean.normalize_str(s) == "":
        sets["dropped"].append(c)
    if nfd.normalize_str(s) == s and strip.normalize_str(s) == "":
        sets["mark"].append(c)
    if len(bert.pre_tokenize_str("a" + s + "b")) == 3:
        sets["punctuation"].append(c)
    if len(bytes_.pre_tokenize_str("a" + s)) == 1:
        sets["letter"].append(c)
    elif len(bytes_.pre_tokenize_str("1" + s)) == 1:
        sets["number"].append(c)

print(f"""// Written by test/golden/tokenizers/unicode.py from Python tokenizers {tokenizers.__version__}; do not edit.
//
// The Rust crate carries several Unicode versions of different age, and so does every Node; these are the crate's answers
// for every code point. Ranges, in base 36: gap from the end of the last range, then "." and the length less one.
/* oxlint-disable */
""")
what = {
    "dropped": "Removed by BertNormalizer's clean_text.",
    "mark": "Removed by strip_accents (non-spacing marks).",
    "punctuation": "A word of its own to BertPreTokenizer.",
    "letter": "\\\\p{L} of the byte-level pattern.".replace("\\\\", "\\"),
    "number": "\\\\p{N} of the byte-level pattern.".replace("\\\\", "\\"),
}
for i, (name, points) in enumerate(sets.items()):
    if i:
        print()
    print(f"/** {what[name]} */")
    print(f"export const {name.upper()} =")
    parts = list(lines(encode(points)))
    for j, part in enumerate(parts):
        print(f"  '{part}'" + (" +" if j + 1 < len(parts) else ""))
