//! Exports, read by others: the Perfetto trace by `prost`, with messages declared here after Perfetto's own.

mod common;

use std::collections::HashMap;

use common::{captured, play, recorders};
use handle_audit::{CapturedRecord, Frame, Gap, HandleAuditEntry, HandleKind, Operation, label};
use handle_capture::{CaptureOptions, Form, Mark, Story, diff, export, write_whole};
use prost::Message;

#[derive(Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<TracePacket>,
}

#[derive(Message)]
struct TracePacket {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, tag = "10")]
    trusted_packet_sequence_id: u32,
    #[prost(message, optional, tag = "11")]
    track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "60")]
    track_descriptor: Option<TrackDescriptor>,
}

#[derive(Message)]
struct TrackDescriptor {
    #[prost(uint64, tag = "1")]
    uuid: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, optional, tag = "5")]
    parent_uuid: Option<u64>,
    #[prost(int32, tag = "11")]
    child_ordering: i32,
    #[prost(int32, tag = "12")]
    sibling_order_rank: i32,
}

#[derive(Message)]
struct DebugAnnotation {
    #[prost(uint64, optional, tag = "3")]
    uint: Option<u64>,
    #[prost(string, optional, tag = "6")]
    string: Option<String>,
    #[prost(uint64, optional, tag = "7")]
    pointer: Option<u64>,
    #[prost(string, tag = "10")]
    name: String,
}

#[derive(Message)]
struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    annotations: Vec<DebugAnnotation>,
    #[prost(int32, tag = "9")]
    r#type: i32,
    #[prost(uint64, tag = "11")]
    track_uuid: u64,
    #[prost(string, repeated, tag = "22")]
    categories: Vec<String>,
    #[prost(string, tag = "23")]
    name: String,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    flow_ids: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    terminating_flow_ids: Vec<u64>,
}

const BEGIN: i32 = 1;
const END: i32 = 2;
const INSTANT: i32 = 3;

/// A story of `rounds` things, with a multiple wait, a kept promise and an open wait at the end.
fn story(directory: &std::path::Path, rounds: u64, signal: bool) -> Story {
    let path = directory.join("run.htrail");
    let options = CaptureOptions::new(&path).rings(common::RINGS).ring_capacity(256).max_bytes(64 << 20);
    let (audit, writer) = captured(&options);
    let mut recorders = recorders(&audit);
    play(&audit, &mut recorders, 0..rounds);
    audit.flush().unwrap();
    let recorder = &mut recorders[0];
    let mut cycle = 1_000_000;
    let mut entry = |tid| {
        cycle += 1;
        HandleAuditEntry::new(cycle, tid, 0x8200_1000, label!("test"), 0)
    };
    for handle in [0xA000, 0xA004, 0xA008] {
        recorder.record_create(handle, HandleKind::EVENT_AUTO, entry(7));
        recorder.record_wait(handle, entry(8));
    }
    recorder.record_promise(0xA004, entry(8));
    if signal {
        recorder.record_signal(0xA004, entry(9));
        for handle in [0xA000, 0xA004, 0xA008] {
            recorder.record_wake(handle, entry(8));
        }
        recorder.record_wait(0xA008, entry(8));
    }
    audit.shutdown().unwrap();
    writer.finish().unwrap();
    Story::read(&path).unwrap()
}

fn exported(story: &Story, form: Form) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(story, form, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_perfetto_trace_has_a_track_for_each_event_and_an_end_for_each_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let mut story = story(directory.path(), 3_000, true);
    let mark = Mark { cycle: 5, title: "HT02 never-signalled".into(), text: "who should have?".into() };
    story.marks.push(mark);
    let trace = Trace::decode(exported(&story, Form::Perfetto).as_slice()).unwrap();
    let tracks: HashMap<u64, &TrackDescriptor> =
        trace.packet.iter().filter_map(|p| p.track_descriptor.as_ref()).map(|t| (t.uuid, t)).collect();
    assert!(tracks.values().all(|track| track.parent_uuid.is_none_or(|parent| tracks.contains_key(&parent))));
    let mut depth: HashMap<u64, i64> = HashMap::new();
    let mut counts: HashMap<(i32, String), usize> = HashMap::new();
    let (mut leaving, mut arriving) = (Vec::<u64>::new(), Vec::<u64>::new());
    let mut last = 0;
    for packet in trace.packet.iter().filter(|packet| packet.track_event.is_some()) {
        let event = packet.track_event.as_ref().unwrap();
        assert!(packet.timestamp.unwrap() >= last && packet.trusted_packet_sequence_id == 1);
        last = packet.timestamp.unwrap();
        assert!(tracks.contains_key(&event.track_uuid), "{event:?}");
        let change = match event.r#type {
            BEGIN => 1,
            END => -1,
            _ => 0,
        };
        let depth = depth.entry(event.track_uuid).or_default();
        *depth += change;
        assert!(*depth >= 0, "an end without a beginning: {event:?}");
        if event.r#type != END {
            *counts.entry((event.r#type, event.categories[0].clone())).or_default() += 1;
        }
        leaving.extend(&event.flow_ids);
        arriving.extend(&event.terminating_flow_ids);
    }
    assert!(depth.values().all(|depth| *depth == 0), "every slice ends");
    let of = |operation| story.records.iter().filter(|record| record.operation == operation).count();
    let count = |kind, name: &str| counts.get(&(kind, name.to_owned())).copied().unwrap_or(0);
    assert_eq!(count(BEGIN, "wait"), of(Operation::Wait));
    assert_eq!(count(BEGIN, "loss"), story.recovered.snapshot.losses.gaps.len());
    assert!(count(BEGIN, "loss") > 0);
    for operation in [Operation::Signal, Operation::Create, Operation::Wake, Operation::Promise] {
        assert_eq!(count(INSTANT, operation.name()), of(operation));
    }
    assert_eq!(count(INSTANT, "verdict"), 1);
    leaving.sort_unstable();
    arriving.sort_unstable();
    assert_eq!(leaving, arriving);
    assert_eq!(leaving.len(), story.flows.len());
    assert!(tracks.values().any(|track| track.name == "0x0000a004 Event/Auto"));
    assert!(
        trace.packet.iter().filter_map(|p| p.track_event.as_ref()).any(|e| e.name == "OPEN wait 0x0000a008")
    );
}

/// What a Perfetto trace says, a line a packet.
fn listed(bytes: &[u8]) -> String {
    let annotation = |a: &DebugAnnotation| {
        let values = [a.uint.map(|n| n.to_string()), a.string.clone(), a.pointer.map(|n| format!("{n:#x}"))];
        format!(" {}={}", a.name, values.into_iter().flatten().collect::<Vec<_>>().join("|"))
    };
    let line = |packet: &TracePacket| match (&packet.track_descriptor, &packet.track_event) {
        (Some(track), None) => format!(
            "track {:#x} {:?} in {:x} {} {}\n",
            track.uuid,
            track.name,
            track.parent_uuid.unwrap_or(0),
            track.child_ordering,
            track.sibling_order_rank
        ),
        (None, Some(event)) => {
            let annotations: String = event.annotations.iter().map(annotation).collect();
            let kind = ["", "begin", "end", "instant"][event.r#type as usize];
            let (time, track, name) = (packet.timestamp.unwrap(), event.track_uuid, &event.name);
            let (categories, from, to) = (&event.categories, &event.flow_ids, &event.terminating_flow_ids);
            format!("{time} {kind} {track:#x} {name:?} {categories:?} {from:?} {to:?}{annotations}\n")
        }
        _ => panic!("{packet:?}"),
    };
    Trace::decode(bytes).unwrap().packet.iter().map(line).collect()
}

/// A few records of every sort, with names that must be put in quotes, two losses and something to point out.
fn small() -> Story {
    use Operation::{Close, Create, Promise, Satisfied, Signal, Wait, Wake};
    let directory = tempfile::tempdir().unwrap();
    let mut recovered = story(directory.path(), 0, false).recovered;
    let rejected = [(Signal, 3)].into_iter().collect();
    recovered.snapshot.losses.gaps =
        vec![Gap { ring: 1, first_cycle: 105, last_cycle: 118, rejected }, Gap::hole(0, 155)];
    let record = |(operation, handle, tid, cycle, aux): (Operation, u32, u32, u64, u64)| {
        let source = if handle == 0xA004 { label!("say \"hi\", then; go") } else { label!("NtSetEvent") };
        let kind = if handle == 0xA004 { HandleKind::MUTANT } else { HandleKind::EVENT_AUTO };
        let frames = if cycle == 100 { 2 } else { 0 };
        let entry = HandleAuditEntry::new(cycle, tid, 0x8200_1000 + handle, source, aux);
        let stack = (0..frames).map(|n| Frame { frame: 0x7000_0000 + n, lr: 0x8200_0000 + n }).collect();
        CapturedRecord {
            ring: (tid % 2) as u8,
            position: cycle,
            stamp: cycle,
            operation,
            handle,
            kind,
            entry,
            stack,
        }
    };
    let records = [
        (Create, 0xA000, 7, 100, 0),
        (Create, 0xA004, 7, 101, 0),
        (Wait, 0xA000, 8, 110, 0),
        (Wait, 0xA004, 8, 111, 0),
        (Promise, 0xA004, 8, 112, 0),
        (Signal, 0xA004, 9, 120, 1),
        (Wake, 0xA000, 8, 125, 0x102),
        (Wake, 0xA004, 8, 127, 0),
        (Signal, 0xA000, 0, 130, 0),
        (Wake, 0xA000, 0, 131, 0),
        (Wait, 0xA000, 9, 140, 0),
        (Satisfied, 0xA000, 9, 140, 0),
        (Satisfied, 0xA000, 0, 141, 0),
        (Wait, 0xA004, 8, 150, 0),
        (Close, 0xA000, 9, 160, 0),
    ];
    let mut story = Story::new(recovered, Vec::new(), records.map(record).to_vec(), Vec::new());
    let mark = Mark { cycle: 128, title: "HT01 lost-signal".into(), text: "who was woken?".into() };
    story.marks.push(mark);
    story
}

/// Every word of every form. After a change that is meant, the files hold what the failure shows.
#[test]
fn a_small_story_in_all_forms() {
    let story = small();
    let expected = [
        include_str!("golden/perfetto.txt"),
        include_str!("golden/chrome.json"),
        include_str!("golden/csv.csv"),
        include_str!("golden/ndjson.ndjson"),
        include_str!("golden/dot.dot"),
        include_str!("golden/folded.txt"),
    ];
    for (form, expected) in Form::ALL.into_iter().zip(expected) {
        let bytes = exported(&story, form);
        let text = if form == Form::Perfetto { listed(&bytes) } else { String::from_utf8(bytes).unwrap() };
        assert!(text == expected, "{}:\n{text}", form.name());
    }
}

#[test]
fn forms_are_called_by_their_names() {
    let names = ["perfetto", "chrome", "csv", "ndjson", "dot", "folded"];
    assert_eq!(Form::ALL.map(Form::name), names);
    assert_eq!(names.map(|name| name.parse::<Form>().ok()), Form::ALL.map(Some));
    assert_eq!("svg".parse::<Form>().unwrap_err().to_string(), "there is no form \"svg\"");
}

#[test]
fn flows_lead_from_signal_to_wake_and_from_promise_to_signal() {
    let directory = tempfile::tempdir().unwrap();
    let story = story(directory.path(), 0, true);
    let flows: Vec<_> = (story.flows.iter())
        .map(|flow| (story.records[flow.from].operation, story.records[flow.to].operation))
        .collect();
    assert_eq!(flows, [(Operation::Promise, Operation::Signal), (Operation::Signal, Operation::Wake)]);
    let open: Vec<_> = story.waits.iter().filter(|wait| wait.is_open()).collect();
    assert_eq!(open.len(), 1);
}

#[test]
fn nothing_is_put_together_across_a_hole() {
    let directory = tempfile::tempdir().unwrap();
    let whole = story(directory.path(), 0, true);
    assert!(whole.waits.iter().any(|wait| wait.end.is_some()));
    for hole in 0..=whole.records.len() {
        let Story { recovered, older, records, .. } = whole.clone();
        let story = Story::new(recovered, older, records, vec![hole]);
        for (wait, before) in story.waits.iter().zip(&whole.waits) {
            let spans = wait.begin < hole && before.end.is_none_or(|end| end >= hole);
            assert_eq!((wait.hole, wait.end), if spans { (Some(hole), None) } else { (None, before.end) });
            let (begin, end) = story.cycles(wait);
            assert!(begin <= end && end <= whole.cycles(before).1);
            let named = format!("END LOST wait 0x{:08x}", story.records[wait.begin].handle);
            let chrome = String::from_utf8(exported(&story, Form::Chrome)).unwrap();
            assert!(!spans || chrome.contains(&named), "{chrome}");
        }
        assert!(story.flows.iter().all(|flow| (flow.from < hole) == (flow.to < hole)));
    }
}

#[test]
fn chrome_csv_and_ndjson_hold_every_record() {
    let directory = tempfile::tempdir().unwrap();
    let story = story(directory.path(), 1_000, true);
    let chrome: serde_json::Value = serde_json::from_slice(&exported(&story, Form::Chrome)).unwrap();
    let events = chrome["traceEvents"].as_array().unwrap();
    let records = events.iter().filter(|event| matches!(event["ph"].as_str(), Some("X" | "i")));
    let gaps = story.recovered.snapshot.losses.gaps.len();
    assert_eq!(records.count(), story.records.len() + gaps);
    let csv = String::from_utf8(exported(&story, Form::Csv)).unwrap();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!(csv.lines().count(), 1 + story.records.len());
    assert!(csv.lines().all(|line| line.split(',').count() == columns));
    for (line, record) in exported(&story, Form::Ndjson).split(|byte| *byte == b'\n').zip(&story.records) {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(line["cycle"], record.entry.cycle);
        assert_eq!(line["operation"], record.operation.name());
    }
}

#[test]
fn graphs_show_open_waits_and_cycles_waited() {
    let directory = tempfile::tempdir().unwrap();
    let story = story(directory.path(), 0, true);
    let dot = String::from_utf8(exported(&story, Form::Dot)).unwrap();
    assert!(dot.contains("t9 -> h0000a004 [label=\"test x1\"];"), "{dot}");
    assert!(dot.contains("h0000a008 -> t8 [label=\"waits x2, OPEN\" style=bold color=red];"), "{dot}");
    let folded = String::from_utf8(exported(&story, Form::Folded)).unwrap();
    assert!(folded.contains("thread 8;0x82001000;test;0x0000a000 Event/Auto 7\n"), "{folded}");
}

#[test]
fn a_file_is_written_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    write_whole(&path, |to| to.write_all(b"good")).unwrap();
    let failed = write_whole(&path, |to| {
        to.write_all(b"half of the ne")?;
        Err(std::io::Error::other("no more"))
    });
    assert!(failed.unwrap_err().to_string().contains("no more"));
    assert_eq!(std::fs::read(&path).unwrap(), b"good");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_diff_names_the_signal_that_did_not_come() {
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (story(directory.path(), 500, true), story(directory.path(), 500, false));
    assert!(diff(&good, &good).is_empty());
    let diff = diff(&good, &bad);
    assert!(diff.only_good.is_empty() && diff.only_bad.is_empty());
    let [missing] = diff.uneven[..] else { panic!("{diff:?}") };
    assert_eq!((missing.good, missing.bad, missing.first.tid), (1, 0, 9));
    assert_eq!((missing.act.operation, missing.first.handle), (Operation::Signal, 0xA004));
    let first = diff.first.unwrap();
    assert_eq!((first.object.ordinal, first.after, first.bad), (2, 1, None));
    assert_eq!(first.good.unwrap().0.operation, Operation::Signal);
}
