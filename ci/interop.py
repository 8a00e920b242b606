"""Reads exports of one capture with programs that are not ours, and compares what they count.

usage: interop.py HTRAIL CAPTURE WORKDIR

Needs from PyPI: protobuf and perfetto (its generated messages), pandas, duckdb. Graphviz's `dot` if it is there.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pandas
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

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

# The Perfetto trace, decoded by the messages that Perfetto publishes.
trace = Trace()
trace.ParseFromString(export("perfetto").read_bytes())
tracks = {p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")}
packets = [p for p in trace.packet if p.HasField("track_event")]
assert all(p.track_event.track_uuid in tracks for p in packets), "every event has its track"
assert all(a.timestamp <= b.timestamp for a, b in zip(packets, packets[1:])), "events come in order"
events = [p.track_event for p in packets]
depth, begun = Counter(), Counter()
for event in events:
    if event.type == TrackEvent.TYPE_SLICE_BEGIN:
        depth[event.track_uuid] += 1
        begun[event.categories[0]] += 1
    elif event.type == TrackEvent.TYPE_SLICE_END:
        depth[event.track_uuid] -= 1
        assert depth[event.track_uuid] >= 0, "an end without a beginning"
assert not any(depth.values()), "every slice ends"
assert begun["wait"] == operations["wait"], (begun, operations)
instants = Counter(e.categories[0] for e in events if e.type == TrackEvent.TYPE_INSTANT)
verdicts = instants.pop("verdict", 0)
assert sum(instants.values()) == sum(operations.values()) - operations["wait"], (instants, operations)
leaving = [i for e in events for i in e.flow_ids]
arriving = [i for e in events for i in e.terminating_flow_ids]
assert sorted(leaving) == sorted(arriving) and len(set(leaving)) == len(leaving) == chrome_flows
names = {t.name for t in tracks.values()}
assert {"verdicts", "losses", "guest threads", "objects"} <= names

# Graphviz draws the graph; the folded stacks have a number at the end.
if shutil.which("dot"):
    subprocess.run(["dot", "-Tsvg", export("dot"), "-o", work / "run.svg"], check=True)
for line in export("folded").read_text().splitlines():
    assert line.count(";") == 3 and int(line.rsplit(" ", 1)[1]) >= 0, line

print(f"{len(tracks)} tracks, {sum(begun.values())} slices, {sum(instants.values())} instants, "
      f"{len(leaving)} flows, {verdicts} verdicts")
