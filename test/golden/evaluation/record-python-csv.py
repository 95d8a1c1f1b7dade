"""What Python's csv module reads from tab-separated texts, as BEIR reads judgments: writes python-csv.json beside this file.

Only texts whose quotes are closed: Python takes the rest of a file into a cell otherwise, which Serotine refuses.
"""

import csv
import io
import json
import pathlib
import random

random.seed(42)
PIECES = ['"', '""', "\t", "a", "é", " ", "\n", "\\", "'", "\u00a0", "\u2028", '"\t', '\t"', '""b""']
READER = {"delimiter": "\t", "quoting": csv.QUOTE_MINIMAL}


def rows(text):
    return list(csv.reader(io.StringIO(text), **READER))


cases = []
while len(cases) < 300:
    text = "".join(random.choice(PIECES) for _ in range(random.randint(1, 14)))
    try:
        list(csv.reader(io.StringIO(text), strict=True, **READER))
        closed = True
    except csv.Error as error:
        closed = "end of data" not in str(error)
    # A line after the text shows whether its last quote is closed.
    if closed and rows(f"{text}\nend")[-1] == ["end"]:
        cases.append({"text": text, "rows": [row for row in rows(text)]})
path = pathlib.Path(__file__).with_name("python-csv.json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
