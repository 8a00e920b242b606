"""Reads exports of one capture with programs that are not ours, and compares what they count.

usage: interop.py HTRAIL CAPTURE WORKDIR

Needs from PyPI: protobuf and perfetto (its generated messages), pandas, duckdb. And Graphviz's `dot`.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pandas

import check_perfetto

htrail, capture, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def export(form):
    out = work / f"run.{form}"
    code = subprocess.run([htrail, "export", capture, "--to", form, "-o", out]).returncode
    assert code in (0, 3), f"{form}: exit code {code}"
    return out


# CSV and NDJSON agree with each other, in pandas and in DuckDB.
csv, ndjson = export("csv"), export("ndjson")
table = pandas.read_csv(csv, keep_default_na=False)
lines = pandas.read_json(ndjson, lines=True, dtype=False)
assert sorted(table.columns) == sorted(lines.columns), (table.columns, lines.columns)
assert (table["cycle"] == lines["cycle"]).all() and (table["handle"] == lines["handle"]).all()
operations = Counter(table["operation"])
query = "select operation, count(*) from read_csv('{}', header = true) group by 1"
assert Counter(dict(duckdb.sql(query.format(csv)).fetchall())) == operations
query = "select operation, count(*) from read_json('{}', format = 'newline_delimited') group by 1"
assert Counter(dict(duckdb.sql(query.format(ndjson)).fetchall())) == operations

# Chrome's JSON has a slice for each wait and an instant for every other record.
events = pandas.DataFrame(json.loads(export("chrome").read_text())["traceEvents"])
slices = events[(events["ph"] == "X") & (events["cat"] == "wait")]
assert len(slices) == operations["wait"], (len(slices), operations)
chrome_flows = (events["ph"] == "s").sum()
assert chrome_flows == (events["ph"] == "f").sum()

# The Perfetto trace, decoded by the messages that Perfetto publishes, has the same flows.
perfetto = check_perfetto.main(htrail, capture, work)
assert f" {chrome_flows} flows" in perfetto, (chrome_flows, perfetto)

# Graphviz draws the graph; the folded stacks have a number at the end.
subprocess.run(["dot", "-Tsvg", export("dot"), "-o", work / "run.svg"], check=True)
for line in export("folded").read_text().splitlines():
    assert line.count(";") == 3 and int(line.rsplit(" ", 1)[1]) >= 0, line

print(f"{len(table)} records, {perfetto}")
