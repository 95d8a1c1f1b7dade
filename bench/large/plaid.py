"""PLAID as PyLate has it (fast-plaid), on the token vectors that bench/large.mjs keeps.

    python bench/large/plaid.py EMBEDDINGS INDEX QUERIES TOP

Builds an index of all passages at once in folder INDEX with the defaults of the library, then asks the first QUERIES queries, one after the
other, PyTorch on one thread. Prints one line of JSON: {"top": [[position]], "cpuMs", "buildSeconds", "buildCpuSeconds", "version", "bits"}.
"""

import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

embeddings, index, count, top = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
BITS = 4


def read(rows, lengths, dim, most=None):
    import numpy
    import torch

    lengths = numpy.fromfile(embeddings / lengths, dtype="<i4")[:most]
    data = numpy.memmap(embeddings / rows, dtype="<f4", mode="r").reshape(-1, dim)
    ends = lengths.cumsum(dtype="int64")
    return [torch.from_numpy(numpy.array(data[end - length : end])) for end, length in zip(ends, lengths)]


def main():
    import torch
    from fast_plaid import search

    dim = json.loads((embeddings / "embeddings.json").read_text())["dim"]
    documents = read("documents.f32", "document-lengths.i32", dim)
    queries = read("queries.f32", "query-lengths.i32", dim, count)
    plaid = search.FastPlaid(index=index, device="cpu")
    cpu, wall = time.process_time(), time.perf_counter()
    plaid.create(documents_embeddings=documents, nbits=BITS)
    built = {"buildSeconds": time.perf_counter() - wall, "buildCpuSeconds": time.process_time() - cpu}
    del documents
    torch.set_num_threads(1)
    ask = lambda query: plaid.search(queries_embeddings=query[None], top_k=top, show_progress=False)[0]  # noqa: E731
    for query in queries[:5]:
        ask(query)
    cpu = time.process_time()
    found = [[position for position, _ in ask(query)] for query in queries]
    cpu_ms = (time.process_time() - cpu) * 1000 / len(queries)
    return {"top": found, "cpuMs": cpu_ms, **built, "version": version("fast-plaid"), "bits": BITS}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        result = main()
    print(json.dumps(result))
