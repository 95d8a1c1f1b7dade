"""The pipelines that the tokenizer of Serotine is compared in, made with the real `tokenizers` library."""
import base64
import json
import math
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, models, trainers
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P
from tokenizers import processors as X

SPECIAL = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
here = pathlib.Path(__file__).parent
goldens = here.parents[2] / "golden" / "pylate"


def template(cls="<s>", sep="</s>"):
    return X.TemplateProcessing(single=f"{cls} $A {sep}", special_tokens=[(cls, 0), (sep, 1)])


def charsmap(folder):
    """The SentencePiece charsmap of a recorded checkpoint (nmt_nfkc)."""
    steps = json.loads((goldens / folder / "model" / "tokenizer.json").read_text())["normalizer"]
    steps = steps.get("normalizers", [steps])
    return base64.b64decode(next(s for s in steps if s["type"] == "Precompiled")["precompiled_charsmap"])


def word_vocab(corpus, pre, normalizer, size=400):
    """Words of the corpus as the pipeline cuts them, commonest first."""
    counts = {}
    for text in corpus:
        for word, _ in pre.pre_tokenize_str(normalizer.normalize_str(text) if normalizer else text):
            counts[word] = counts.get(word, 0) + 1
    words = sorted(counts, key=lambda w: (-counts[w], w))[:size]
    return {t: i for i, t in enumerate(SPECIAL + [w for w in words if w not in SPECIAL])}


def make(model, normalizer=None, pre=None, post=template(), added=()):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    if post:
        tokenizer.post_processor = post
    tokenizer.add_special_tokens([AddedToken(t, lstrip=t == "<mask>", special=True) for t in SPECIAL])
    tokenizer.add_tokens(list(added))
    return tokenizer


def trained(corpus, kind, normalizer=None, pre=None, size=500, alphabet=(), prefix=None, suffix=None, **switches):
    """A model learnt from the corpus: BPE or WordPiece."""
    if kind == "WordPiece":
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False, initial_alphabet=list(alphabet))
        learner = Tokenizer(models.WordPiece(unk_token="<unk>"))
    else:
        options = {k: v for k, v in {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}.items() if v is not None}
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False, initial_alphabet=list(alphabet), **options)
        learner = Tokenizer(models.BPE(unk_token="<unk>", **options))
    if normalizer:
        learner.normalizer = normalizer
    if pre:
        learner.pre_tokenizer = pre
    learner.train_from_iterator(corpus, trainer)
    json_model = {**json.loads(learner.to_str())["model"], **switches}
    if switches.get("byte_fallback"):
        bytes_ = [f"<0x{b:02X}>" for b in range(256)]
        for t in bytes_:
            json_model["vocab"].setdefault(t, len(json_model["vocab"]))
    shell = json.loads(learner.to_str())
    shell["model"] = json_model
    return Tokenizer.from_str(json.dumps(shell)).model


def unigram(corpus, normalizer, pre, size=900, byte_fallback=False):
    """Commonest stretches of the corpus; scores are whole numbers, so that many cuts are equally good."""
    counts = {}
    for text in corpus:
        for word, _ in pre.pre_tokenize_str(normalizer.normalize_str(text)):
            for i in range(len(word)):
                for j in range(i + 1, min(i + 5, len(word)) + 1):
                    counts[word[i:j]] = counts.get(word[i:j], 0) + 1
    stretches = sorted(counts, key=lambda s: (-counts[s] * len(s), s))[:size]
    vocab = [(t, 0.0) for t in SPECIAL] + [(s, float(-round(2 * math.log(2e5 / counts[s])) / 2)) for s in stretches]
    if byte_fallback:
        vocab += [(f"<0x{b:02X}>", -20.0) for b in range(256)]
    return models.Unigram(vocab, 2, byte_fallback)


def pipelines(corpus):
    """Name → tokenizer. Each shows some components; together they show all that are said to be exact."""
    bytes_ = P.ByteLevel.alphabet()
    metaspace = P.Metaspace()
    made = {}

    pre = P.Whitespace()
    made["Whitespace, WordPiece"] = make(trained(corpus, "WordPiece", N.Lowercase(), pre), N.Lowercase(), pre)
    pre = P.Sequence([P.WhitespaceSplit(), P.Punctuation("merged_with_next"), P.Digits(individual_digits=True)])
    low = N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase()])
    made["NFD, StripAccents, Lowercase; Punctuation, Digits; WordPiece"] = make(trained(corpus, "WordPiece", low, pre), low, pre)
    nmt = N.Sequence([N.Nmt(), N.NFKC(), N.Strip()])
    pre = P.Sequence([P.Punctuation("contiguous"), P.Digits(), P.CharDelimiterSplit(" ")])
    made["Nmt, NFKC, Strip; Punctuation, Digits, CharDelimiterSplit; WordLevel"] = make(
        models.WordLevel(word_vocab(corpus, pre, nmt), unk_token="<unk>"), nmt, pre)
    pre = P.Sequence([P.Split(Regex(r"\d"), "removed"), P.Punctuation("removed"), P.FixedLength(3)])
    made["NFKD; Split removed, Punctuation removed, FixedLength; BPE without an unknown token"] = make(
        trained(corpus, "BPE", N.NFKD(), pre, unk_token=None), N.NFKD(), pre)
    for behavior in ["isolated", "merged_with_previous", "merged_with_next", "contiguous", "removed"]:
        pre = P.Sequence([P.Split(" ", behavior), P.Split(Regex(r"[A-Z][a-z]*|[^\w\s]+"), behavior, invert=behavior == "removed")])
        made[f"Split {behavior}; BPE, unknown tokens {'fused' if behavior == 'isolated' else 'single'}"] = make(
            trained(corpus, "BPE", None, pre, fuse_unk=behavior == "isolated"), None, pre)
    pre = P.Sequence([P.Split(Regex(GPT4), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    made["NFC; Split as GPT-4, ByteLevel; BPE ignoring merges"] = make(
        trained(corpus, "BPE", N.NFC(), pre, alphabet=bytes_, ignore_merges=True), N.NFC(), pre,
        X.Sequence([X.ByteLevel(trim_offsets=True), template()]))
    pre = P.Sequence([P.Split(Regex(GPT4O), "removed", invert=True), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    made["Split as GPT-4o, ByteLevel; BPE"] = make(trained(corpus, "BPE", None, pre, alphabet=bytes_), None, pre)
    pre = P.ByteLevel(add_prefix_space=True)
    made["ByteLevel with a blank in front; BPE; RobertaProcessing"] = make(
        trained(corpus, "BPE", None, pre, alphabet=bytes_), None, pre,
        X.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=True))
    pre = P.ByteLevel(add_prefix_space=False)
    made["ByteLevel; BPE; RobertaProcessing"] = make(
        trained(corpus, "BPE", None, pre, alphabet=bytes_), None, pre,
        X.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=False))
    spm = N.Precompiled(charsmap("xlmr-tok-fast"))
    pre = P.Sequence([P.WhitespaceSplit(), metaspace])
    made["Precompiled; WhitespaceSplit, Metaspace; Unigram (XLM-R)"] = make(unigram(corpus, spm, pre), spm, pre)
    spm2 = N.Sequence([spm, N.Strip(left=False, right=True), N.Replace(Regex(" {2,}"), "\u2581")])
    made["Precompiled, Strip, Replace; Metaspace; Unigram with bytes (T5)"] = make(
        unigram(corpus, spm2, metaspace, byte_fallback=True), spm2, P.Metaspace(prepend_scheme="first"), X.BertProcessing(("</s>", 1), ("<s>", 0)))
    llama = N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")])
    made["Prepend, Replace; BPE with bytes (Llama 2)"] = make(
        trained(corpus, "BPE", llama, P.Split("\u2581", "merged_with_next"), byte_fallback=True, fuse_unk=True), llama)
    gemma = N.Replace(" ", "\u2581")
    pre = P.Split(" ", "merged_with_previous")
    made["Replace; Split; BPE with bytes (Gemma)"] = make(
        trained(corpus, "BPE", gemma, P.Split("\u2581", "merged_with_next"), byte_fallback=True, fuse_unk=True), gemma, pre)
    whole = N.Sequence([N.BertNormalizer(lowercase=False, strip_accents=True), N.Replace(Regex(r"[^\S\n]+"), " ")])
    pre = P.Metaspace(prepend_scheme="never", split=False)
    made["BertNormalizer, Replace; Metaspace unsplit; BPE with prefix and suffix"] = make(
        trained(corpus, "BPE", whole, P.BertPreTokenizer(), prefix="##", suffix="</w>"), whole, pre, None)
    pre = P.BertPreTokenizer()
    bert = N.BertNormalizer()
    made["BertNormalizer; BertPreTokenizer; WordPiece"] = make(trained(corpus, "WordPiece", bert, pre, size=700), bert, pre, X.BertProcessing(("</s>", 1), ("<s>", 0)))
    level = N.Sequence([N.Lowercase(), N.ByteLevel()])
    pre = P.Split(Regex("\u0120"), "merged_with_next")
    made["Lowercase, ByteLevel as normalizer; Split; BPE"] = make(
        trained(corpus, "BPE", level, pre, alphabet=bytes_), level, pre, None, [AddedToken("Hello", single_word=True), AddedToken("ZYX", normalized=True, rstrip=True)])
    return made
