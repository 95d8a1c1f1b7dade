"""Odd strings for comparing tokenizers: by hand, then at random from many alphabets."""
import random

HAND = [
    "", " ", "\n", "a", "A man's dog doesn't; they'll we've I'm he'd you're", "''s 'S 're're '", "  two   blanks    here     five",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m \u212bngstro\u0308m", "\ufb01ne \ufb02ow o\ufb03ce", "\u0130stanbul \u0130\u0307 i\u0307",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03c3\u03c2 \u03a3", "Stra\u00dfe STRA\u1e9eE", "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3002",
    "\U00020000\U0002a6d6 ext B \U0002b740 \U0002b820 \uf900 \U0002f800", "\uc11c\uc6b8\uc740 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651\u0629 \u0644\u0644\u0651\u0647", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937 \u0958",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e01\u0e33", "\U0001f600\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd \u2764\ufe0f",
    "s\u0323\u0307 s\u0307\u0323 \u1e69 q\u0307\u0323\u0301 \u0301x \u0344y", "\u0f73\u0f75\u0f81 \u0f74\u0f73", "\U0001d15e\U0001d165\U0001d16d",
    "a\u200bb\u00adc\ufeffd\u2060e\u061cf\u061dg", "a\x00b\x01c\x7fd\x85e\x1cf\u2028g\u3000h\u00a0i", "\ufffd\ufffda\ufffd", "\ue000\U000f0000\U0010ffff",
    "[MASK] [CLS] [SEP] [UNK][PAD] x[MASK]y  [MASK]  z", "[Q] text [D] text [q] [Q]text [ Q ] [Q]\ttext", "[unused0] [unused1][unused2]",
    "|||IP_ADDRESS||| and |||EMAIL_ADDRESS|||<|endoftext|><|padding|>", "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + " \U0001d51e" * 2,
    "\U0001d51e" * 100 + " " + "\U0001d51e" * 101, "1234567890 12.5e-3 \u00bd\u00b2\u2460 \u0661\u0662\u0663", "x = {'a': [1, 2.5e-3, -7]}; print(x)\n\n\treturn",
    "\r\n\r\n \t \n", "tab\t\tnew\n\n\nline  \n  x", "\u202eright to left\u202c", "\u0345\u1fb3 \u0390 \u1e9b\u0323", "\uff21\uff22\uff23\uff11\uff0c", "\u1100\uac00\u11a8",
    "e\u0301\u0301\u0323x\u0327\u0301", "\u2019 \u201cquoted\u201d \u2014 dash \u2026", "http://example.com/a?b=c&d#e foo@bar.com", "#hashtag @user C++ C# .NET",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "the quick brown fox of a and in ", "0123456789", " \t\n\r", "    ",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "'s't're've'm'll'd", "\u00e0\u00e9\u00ee\u00f5\u00fc\u00e7\u00f1\u00df\u00c5\u00d8\u0130\u0131",
    "".join(map(chr, range(0x300, 0x370))), "\u03a3\u03c3\u03c2\u0391\u0392\u03b1\u0390", "".join(map(chr, range(0x400, 0x460))),
    "".join(map(chr, range(0x5d0, 0x5eb))), "".join(map(chr, range(0x610, 0x670))), "".join(map(chr, range(0x900, 0x970))),
    "".join(map(chr, range(0xf40, 0xfbd))), "".join(map(chr, range(0xe01, 0xe5c))), "".join(map(chr, range(0x1100, 0x1200))),
    "".join(map(chr, range(0xac00, 0xac60))), "\u4e2d\u6587\u65e5\u672c\u8a9e\u3002\u3001\u30ab\u304b", "\U00020000\U00020001\U0002a700\U0002b820\U0002f800\uf900",
    "\U0001f600\U0001f468\u200d\U0001f469\ufe0f\U0001f3fd\U0001f1eb\U0001f1f7", "\u00a0\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000\x85",
    "\x00\x01\x02\x0b\x0c\x1c\x1f\x7f\x80\x9f\u00ad\u200b\u200e\u2060\ufeff\ufffd", "\ufb00\ufb01\ufb03\u2460\u00bd\u2126\u212a\u212b\u1e69\u01c4",
    "\U0001d15e\U0001d165\U0001d16d\u302e\u0489", "\ue000\U000f0001\U000e0041",
]
LITERALS = ["[MASK]", "[CLS]", "[SEP]", "[UNK]", "[Q] ", "[D] ", "[q] ", "[unused0]", "[unused1]", "<|endoftext|>", "|||IP_ADDRESS|||", " [MASK]", "  ", "hello", " world"]


def strings(count, seed):
    rng = random.Random(seed)
    yield from HAND
    for _ in range(count):
        out = []
        for _ in range(rng.randint(1, 6)):
            pick = rng.random()
            if pick < 0.15:
                out.append(rng.choice(LITERALS))
            elif pick < 0.2:
                out.append("".join(chr(c) for c in (rng.randrange(0x20000) for _ in range(3)) if not 0xD800 <= c < 0xE000))
            else:
                alphabet = rng.choice(ALPHABETS)
                out.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 8))))
        yield "".join(out)
