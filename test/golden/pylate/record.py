"""Records small checkpoints with the real PyLate: encoders and tokenizer settings that came later than the other goldens.

    pip install pylate==1.6.0 sentence-transformers==5.3.0 transformers==5.3.0 tokenizers==0.22.2 torch==2.11.0
    python record.py [name …]          # writes <name>/model, <name>/golden.json and <name>/golden.safetensors here
"""
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TQDM_DISABLE="1")

import numpy as np
import pylate
import sentence_transformers
import tokenizers
import torch
import transformers
from pylate import models, scores
from safetensors.torch import save_file
from sentence_transformers.models import Transformer
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parent / "tokenizers"))
from strings import HAND, strings  # noqa: E402

torch.set_num_threads(1)
VERSIONS = {m.__name__: m.__version__ for m in (pylate, sentence_transformers, transformers, tokenizers, torch)}
TEXTS = [
    "", "   \t\n ", "What is late interaction retrieval?", "WHAT IS LATE INTERACTION RETRIEVAL?",
    "ColBERT computes MaxSim: the sum, over query tokens, of the best document match.",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m stra\u00dfe \u0130stanbul \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002 \uc11c\uc6b8 \u4e2d\u6587 mixed with English",
    "emoji \U0001f600\U0001f680 family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1eb\U0001f1f7 ok\u2764\ufe0f",
    "line one\nline two\r\nline three\tafter tab\u00a0nbsp\u2003em space", "dog dog dog dog dog dog dog dog dog dog dog dog",
    "[MASK] [CLS] [SEP] <mask> x<mask>y <s> </s> <pad> <unk> [Q] text [D] text <MSK>", "x = {'a': [1, 2.5e-3, -7]}; print(f\"{x!r}\")  # code",
    "The quick brown fox jumps over the lazy dog near the river bank. " * 12, "A bank is a financial institution that accepts deposits.",
]


def rng_for(*names):
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(map(str, names)).encode()).digest()[:8], "little"))


def fill_random(module, tag):
    """Weights with enough spread that every part of the graph shows in the output."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            r, low = rng_for(tag, name), name.lower()
            if p.ndim == 1:
                v = 1 + 0.25 * r.standard_normal(p.shape) if "norm" in low and low.endswith("weight") else 0.12 * r.standard_normal(p.shape)
            elif "embedding" in low:
                v = 0.7 * r.standard_normal(p.shape)
            else:
                gain = 1.6 if any(k in low for k in ("wqkv", "query", "key", "q_lin", "k_lin")) else 1.0
                v = gain * r.standard_normal(p.shape) / np.sqrt(p.shape[-1])
            p.copy_(torch.from_numpy(np.asarray(v, dtype=np.float32)))


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read(path):
    return json.loads(path.read_text())


def checkpoint(name, config, tokenizer_files, out, length=(24, 48)):
    """A transformers folder with random weights, made a PyLate checkpoint by PyLate."""
    work = pathlib.Path(tempfile.mkdtemp())
    torch.manual_seed(0)
    encoder = transformers.AutoModel.from_config(config)
    fill_random(encoder, name)
    encoder.save_pretrained(work)
    for file, text in tokenizer_files.items():
        (work / file).write_text(text)
    model = models.ColBERT(str(work), embedding_size=16, query_length=length[0], document_length=length[1], device="cpu")
    fill_random(model[0].auto_model, name)
    fill_random(model[1], name + "/dense")
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(str(out))
    for file in out.glob("README*"):
        file.unlink()
    # Saved anew, a tokenizer says more than the one that was made; the folder keeps what was made, prefixes added.
    shutil.rmtree(work)


def record(name):
    out = here / name
    model = models.ColBERT(str(out / "model"), device="cpu")
    tensors, cases = {}, []
    for cid, ctor, encode in [
        ("q_default", {}, {"is_query": True}),
        ("d_default", {}, {"is_query": False}),
        ("q_attend", {"attend_to_expansion_tokens": True}, {"is_query": True}),
        ("q_no_expansion", {"do_query_expansion": False}, {"is_query": True}),
        ("d_short", {"document_length": 12}, {"is_query": False}),
    ]:
        m = models.ColBERT(str(out / "model"), device="cpu", **ctor) if ctor else model
        alone = m.encode(TEXTS, batch_size=1, show_progress_bar=False, **encode)
        raw = [m.encode([t], batch_size=1, output_value=None, show_progress_bar=False, **encode) for t in TEXTS]
        cases.append({
            "id": cid, "ctor": ctor, "encode": encode, "text_indices": list(range(len(TEXTS))), "n_vectors": [len(e) for e in alone],
            "input_ids": [r["input_ids"][0].tolist() for r in raw], "attention_mask": [[int(x) for x in r["attention_mask"][0]] for r in raw],
            "kept_mask": [[int(x) for x in r["masks"][0]] for r in raw],
        })
        tensors[cid] = torch.from_numpy(np.concatenate(alone).astype(np.float32))
    q_idx, d_idx = [2, 4, 6], [3, 4, 5, 12, 13]
    queries = model.encode([TEXTS[i] for i in q_idx], batch_size=1, show_progress_bar=False, is_query=True)
    documents = model.encode([TEXTS[i] for i in d_idx], batch_size=1, show_progress_bar=False, is_query=False)
    exact = [[float((q.astype(np.float64) @ d.astype(np.float64).T).max(1).sum()) for d in documents] for q in queries]
    tokens = []
    for text in [*HAND, *strings(60, 3)]:
        q, d = model.tokenize([text], is_query=True), model.tokenize([text], is_query=False)
        tokens.append({"text": text, "query_ids": q["input_ids"][0].tolist()[: int(q["attention_mask"][0].sum())], "document_ids": d["input_ids"][0].tolist()})
    golden = {
        "schema": "pylate-golden/1", "name": name, "versions": VERSIONS, "ctor": {}, "texts": TEXTS,
        "load": {
            "query_prefix": model.query_prefix, "document_prefix": model.document_prefix, "query_prefix_id": model.query_prefix_id,
            "document_prefix_id": model.document_prefix_id, "pad_token_id": model.tokenizer.pad_token_id, "query_length": model.query_length,
            "document_length": model.document_length, "do_query_expansion": model.do_query_expansion,
            "attend_to_expansion_tokens": model.attend_to_expansion_tokens, "skiplist_words": model.skiplist_words, "skiplist_ids": model.skiplist,
            "prompts": model.prompts, "default_prompt_name": model.default_prompt_name, "do_lower_case": model[0].do_lower_case,
            "tokenizer_class": type(model.tokenizer).__name__, "dim": model[-1].out_features,
        },
        "cases": cases,
        "scores": {"q_text_indices": q_idx, "d_text_indices": d_idx, "exact_maxsim": exact},
        "tokens": {"note": "query_ids without the expansion padding", "strings": tokens},
    }
    (out / "golden.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")
    save_file(tensors, str(out / "golden.safetensors"))
    print(name, type(model.tokenizer).__name__, type(model[0].auto_model).__name__, len(model.tokenizer))


def bert_files(**config):
    source = here / "bert-tiny" / "model"
    return {
        "tokenizer.json": (source / "tokenizer.json").read_text(),
        "tokenizer_config.json": json.dumps({**read(source / "tokenizer_config.json"), **config}),
    }


def vocabulary_size(files):
    return Tokenizer.from_str(files["tokenizer.json"]).get_vocab_size()


def byte_level(specials, size=420):
    """A byte-level tokenizer with RoBERTa's special tokens."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    ids = {t: tokenizer.token_to_id(t) for t in specials}
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]), trim_offsets=True, add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken(t, lstrip=t == "<mask>", special=True, normalized=False) for t in specials])
    return tokenizer


def special_map(out):
    """BERT whose special tokens are named only in special_tokens_map.json, its mask token by another name."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(here / "bert-tiny" / "model", out)
    (out / "tokenizer.json").write_text((out / "tokenizer.json").read_text().replace('"[MASK]"', '"<MSK>"'))
    write(out / "tokenizer_config.json", {"do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512})
    mask = {"content": "<MSK>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}
    write(out / "special_tokens_map.json", {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": mask})


def added_decoder(out):
    """Special and added tokens that only tokenizer_config.json lists: added_tokens_decoder, additional_special_tokens, no mask token."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(here / "bert-tiny" / "model", out)
    saved = read(out / "tokenizer.json")
    ids = {**saved["model"]["vocab"], **{t["content"]: t["id"] for t in saved["added_tokens"]}}
    saved["added_tokens"] = []
    (out / "tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False))
    token = lambda content, **flags: {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True, **flags}
    listed = [token(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")] + [token("[unused2]", normalized=True, special=False), token("river", single_word=True, special=False)]
    listed += [token(t, normalized=True, special=False) for t in ("[Q] ", "[D] ")]
    write(out / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "sep_token": "[SEP]", "cls_token": "[CLS]", "pad_token": "[PAD]",
        "additional_special_tokens": ["[MASK]", "[unused3]"], "added_tokens_decoder": {str(ids[t["content"]]): t for t in listed},
    })
    write(out / "special_tokens_map.json", {"mask_token": "[MASK]"})


def distilbert(out):
    files = bert_files(tokenizer_class="DistilBertTokenizer")
    config = transformers.DistilBertConfig(vocab_size=vocabulary_size(files), dim=32, hidden_dim=48, n_layers=2, n_heads=2, max_position_embeddings=64)
    checkpoint("distilbert-tiny", config, files, out)
    # As the Hub has them: names with a prefix, and the class of the first releases.
    settings = read(out / "tokenizer_config.json")
    write(out / "tokenizer_config.json", {**settings, "tokenizer_class": "DistilBertTokenizer"})


def roberta(out):
    tokenizer = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    files = {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps({"tokenizer_class": "RobertaTokenizer", "mask_token": "<mask>"})}
    config = transformers.RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5)
    checkpoint("roberta-tiny", config, files, out)


def xlm_roberta(out):
    source = here / "xlmr-tok-fast" / "model"
    saved = read(source / "tokenizer.json")
    saved["added_tokens"] = [t for t in saved["added_tokens"] if not t["content"].startswith("[")]
    saved.update(truncation=None, padding=None)
    files = {"tokenizer.json": json.dumps(saved, ensure_ascii=False), "tokenizer_config.json": json.dumps({"tokenizer_class": "XLMRobertaTokenizerFast"})}
    config = transformers.XLMRobertaConfig(
        vocab_size=vocabulary_size(files), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5)
    checkpoint("xlm-roberta-tiny", config, files, out)


def mmbert(out):
    """ModernBERT with Gemma's tokenizer and one rotary base for all layers, as mmBERT has them."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=560, special_tokens=specials + bytes_, show_progress=False)
    tokenizer = Tokenizer(BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    tokenizer.train_from_iterator(TEXTS[2:6] * 3 + TEXTS[8:], trainer)
    saved = json.loads(tokenizer.to_str())
    saved["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["content"] in specials]
    special = lambda t, i: {t: {"id": t, "ids": [i], "tokens": [t]}}
    saved["post_processor"] = {
        "type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<eos>", "type_id": 0}}],
        "special_tokens": {**special("<bos>", 2), **special("<eos>", 1)},
    }
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<bos>", "sep_token": "<eos>"}
    files = {"tokenizer.json": json.dumps(saved, ensure_ascii=False), "tokenizer_config.json": json.dumps({"tokenizer_class": "GemmaTokenizerFast", "padding_side": "right", **names})}
    config = transformers.ModernBertConfig(
        vocab_size=vocabulary_size(files), hidden_size=32, intermediate_size=40, num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=512,
        pad_token_id=0, bos_token_id=2, eos_token_id=1, cls_token_id=2, sep_token_id=1, local_attention=16, global_attn_every_n_layers=3,
        rope_parameters={k: {"rope_type": "default", "rope_theta": 160000.0} for k in ("full_attention", "sliding_attention")})
    checkpoint("mmbert-tiny", config, files, out)


CHECKPOINTS = {
    "special-map": special_map, "added-decoder": added_decoder, "distilbert-tiny": distilbert, "roberta-tiny": roberta,
    "xlm-roberta-tiny": xlm_roberta, "mmbert-tiny": mmbert,
}
for name in sys.argv[1:] or CHECKPOINTS:
    CHECKPOINTS[name](here / name / "model")
    record(name)
