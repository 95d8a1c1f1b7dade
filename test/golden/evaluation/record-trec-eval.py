"""Records what trec_eval says about small runs full of ties, unjudged and negative judgments.

    pip install pytrec_eval-terrier==0.5.11 && python record-trec-eval.py > trec-eval.json

pytrec_eval compiles the original trec_eval C sources, so this is the reference itself.
"""
import json
import random
import sys
from importlib.metadata import version

import pytrec_eval

MEASURES = {'map', 'map_cut.5,100', 'ndcg', 'ndcg_cut.3,10', 'recip_rank', 'recall.5,100', 'P.5,10', 'success.1,5', 'Rprec'}

random.seed(7)


def ids(n):
    # Ids that sort differently as text, as numbers and as UTF-16: trec_eval compares bytes.
    return [random.choice(['d', 'D', 'é', '文', '\U0001f600', '\ufb01', '']) + str(i) for i in range(n)]


def case(documents, queries, depth, grades, scores):
    pool = ids(documents)
    qrels = {f'q{i}': {d: random.choice(grades) for d in random.sample(pool, 12)} for i in range(queries)}
    run = {f'q{i}': {d: scores() for d in random.sample(pool, depth)} for i in range(queries)}
    per_query = pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(run)
    return {'qrels': qrels, 'run': run, 'perQuery': per_query}


cases = {
    'ties': case(40, 12, 20, [0, 0, 1], lambda: random.choice([0.1, 0.2, 0.3])),
    'all_equal': case(30, 8, 25, [0, 1], lambda: 1.0),
    'graded_ties': case(60, 12, 30, [-1, 0, 1, 2, 3], lambda: round(random.random(), 1)),
    # Equal as 32-bit floats, different as 64-bit ones.
    'float32_ties': case(30, 8, 20, [0, 1, 2], lambda: 20 + random.randrange(4) * 1e-9),
    'nothing_relevant': case(30, 4, 10, [0], lambda: random.random()),
    'distinct': case(200, 10, 120, [0, 1, 2], lambda: random.uniform(-5, 30)),
}
json.dump({'reference': f"pytrec_eval-terrier {version('pytrec_eval-terrier')}", 'cases': cases}, sys.stdout, ensure_ascii=True)
