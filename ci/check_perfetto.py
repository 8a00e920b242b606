"""Decodes a Perfetto trace with the messages that Perfetto publishes, and compares what is in it with the records of the
capture, as tools/read_capture.py reads them, and with the report. Nothing here is made from our writer.

usage: check_perfetto.py HTRAIL CAPTURE WORKDIR

Needs from PyPI: protobuf, perfetto (its generated messages).
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import read_capture

BEGIN, END, INSTANT = TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END, TrackEvent.TYPE_INSTANT
TICK = 20  # nanoseconds
GROUPS = ["verdicts", "losses", "guest threads", "objects"]


def htrail(program, *arguments, codes):
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE)
    assert done.returncode in codes, f"{arguments}: exit code {done.returncode}"
    return done.stdout


def expected_flows(records):
    """Pairs (cause, effect) of indices: a signal and the wake it caused, a promise and the signal that kept it."""
    flows, signals, promises, waits = set(), {}, defaultdict(list), {}
    for i, r in enumerate(records):
        handle, operation = r["handle"], r["operation"]
        if operation == "create":
            signals.pop(handle, None)
            promises.pop(handle, None)
        elif operation == "promise":
            promises[handle].append(i)
        elif operation in ("signal", "pulse"):
            flows.update((promise, i) for promise in promises.pop(handle, []))
            signals[handle] = i
        elif operation == "wait":
            waits[r["tid"], handle] = i
        elif operation == "satisfied":
            waits.pop((r["tid"], handle), None)
        elif operation == "wake":
            begin, status = waits.pop((r["tid"], handle), -1), int(r["aux"], 16)
            satisfied = status < 0x40 or 0x80 <= status < 0xC0
            if satisfied and signals.get(handle, -1) > begin:
                flows.add((signals[handle], i))
    return flows, len(waits)


def tracks_of(trace):
    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in trace.packet if p.HasField("track_descriptor")}
    path = {u: [t.name] for u, t in tracks.items() if not t.HasField("parent_uuid")}
    for uuid, track in tracks.items():
        if track.HasField("parent_uuid"):
            path[uuid] = [tracks[track.parent_uuid].name, track.name]
    tops = sorted((t for t in tracks.values() if not t.HasField("parent_uuid")), key=lambda t: t.sibling_order_rank)
    assert [t.name for t in tops] == GROUPS, "the verdicts stand first"
    return path


def slices_of(packets):
    """Slices by track, each (begin, end, name, category); they must nest and end."""
    open_slices, slices = defaultdict(list), defaultdict(list)
    for p in packets:
        e = p.track_event
        if e.type == BEGIN:
            open_slices[e.track_uuid].append((p.timestamp, e))
        elif e.type == END:
            begin, event = open_slices[e.track_uuid].pop()
            slices[e.track_uuid].append((begin, p.timestamp, event.name, event.categories[0]))
    assert not any(open_slices.values()), "every slice ends"
    return slices


def check(data, records, report):
    trace = Trace()
    trace.ParseFromString(data)
    path = tracks_of(trace)
    packets = [p for p in trace.packet if p.HasField("track_event")]
    assert all(p.track_event.track_uuid in path for p in packets), "every event has its track"
    assert all(a.timestamp <= b.timestamp for a, b in zip(packets, packets[1:])), "events come in order"
    slices = slices_of(packets)

    # Waits: a slice each, on the track of their thread.
    flows, still_open = expected_flows(records)
    waits = [(path[u], s) for u, of_track in slices.items() for s in of_track if s[3] == "wait"]
    expected = Counter(f"thread {r['tid']}" for r in records if r["operation"] == "wait")
    assert Counter(track[1] for track, _ in waits) == expected, "a slice for each wait"
    assert sum(s[2].startswith("OPEN") for _, s in waits) >= still_open

    # Losses: a slice for each gap of the report, with its number, in the name that the UI draws red.
    gaps = report["losses"]["gaps"]
    lost = [(path[u], s) for u, of_track in slices.items() for s in of_track if s[3] == "loss"]
    assert all(track[0] == "losses" for track, _ in lost)
    numbers = Counter(int(s[2].split()[1]) for _, s in lost)
    assert numbers.total() == len(gaps) and all("while the ring was full" in s[2] for _, s in lost)
    assert sum(n * k for n, k in numbers.items()) == report["losses"]["rejected"]

    # Everything else: an instant, signals on the tracks of their objects.
    instants = [p for p in packets if p.track_event.type == INSTANT]
    kinds = Counter(p.track_event.categories[0] for p in instants)
    verdicts = [p for p in instants if p.track_event.categories[0] == "verdict"]
    assert all(path[p.track_event.track_uuid] == ["verdicts"] for p in verdicts)
    titles = Counter(p.track_event.name.split()[0] for p in verdicts)
    assert titles == Counter(v["id"] for v in report["verdicts"]), titles
    del kinds["verdict"]
    assert kinds == Counter(r["operation"] for r in records if r["operation"] != "wait")
    signals = Counter()
    for p in instants:
        if p.track_event.categories[0] == "signal":
            group, name = path[p.track_event.track_uuid]
            assert group == "objects"
            signals[name.split()[0], p.timestamp] += 1
    assert signals == Counter((r["handle"], r["cycle"] * TICK) for r in records if r["operation"] == "signal")

    # Flows: each leaves one event and ends at one; together they are the pairs that the records give.
    leaves, ends = {}, {}
    for p in packets:
        e = p.track_event
        for ids, side in ((e.flow_ids, leaves), (e.terminating_flow_ids, ends)):
            for flow in ids:
                assert side.setdefault(flow, p) is p, "one end each"
    assert leaves.keys() == ends.keys()
    pair = lambda a, b: (a.categories[0], b.categories[0])
    found = Counter((pair(leaves[f].track_event, ends[f].track_event), leaves[f].timestamp, ends[f].timestamp)
                    for f in leaves)
    of = lambda i: records[i]
    wanted = Counter(((of(a)["operation"], of(b)["operation"]), of(a)["cycle"] * TICK, of(b)["cycle"] * TICK)
                     for a, b in flows)
    assert found == wanted, (found - wanted, wanted - found)
    kept = sum(n for (ends_of, _, _), n in found.items() if ends_of[0] == "promise")
    return (f"{len(path)} tracks, {len(waits)} waits ({still_open} open), {len(lost)} losses, {kinds.total()} instants, "
            f"{len(leaves)} flows ({kept} promises kept), {len(verdicts)} verdicts")


def main(program, capture, work):
    out = Path(work) / "run.pftrace"
    htrail(program, "export", capture, "--to", "perfetto", "-o", out, codes=(0,))
    report = json.loads(htrail(program, "report", capture, "--json", codes=(0, 1, 3)))
    records = list(read_capture.read(Path(capture).read_bytes()))
    return check(out.read_bytes(), records, report)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
