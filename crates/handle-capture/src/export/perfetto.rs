//! A Perfetto trace: threads and objects as tracks, waits as slices, everything else as instants, causes as flows.
//!
//! Field numbers are those of Perfetto's `protos/perfetto/trace/` (trace_packet.proto, track_event.proto,
//! track_descriptor.proto, debug_annotation.proto).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};

use handle_audit::{CapturedRecord, Gap, Operation};

use super::NANOSECONDS;
use super::protobuf::Message;
use crate::story::{Story, WaitSlice, title};

mod trace {
    pub(super) const PACKET: u32 = 1;
}

mod packet {
    pub(super) const TIMESTAMP: u32 = 8;
    pub(super) const SEQUENCE: u32 = 10;
    pub(super) const TRACK_EVENT: u32 = 11;
    pub(super) const TRACK_DESCRIPTOR: u32 = 60;
}

mod descriptor {
    pub(super) const UUID: u32 = 1;
    pub(super) const NAME: u32 = 2;
    pub(super) const PARENT: u32 = 5;
    pub(super) const CHILD_ORDERING: u32 = 11;
    pub(super) const RANK: u32 = 12;
    /// Children stand in order of their ranks.
    pub(super) const EXPLICIT: u64 = 3;
}

mod event {
    pub(super) const ANNOTATION: u32 = 4;
    pub(super) const TYPE: u32 = 9;
    pub(super) const TRACK: u32 = 11;
    pub(super) const CATEGORY: u32 = 22;
    pub(super) const NAME: u32 = 23;
    pub(super) const FLOW: u32 = 47;
    pub(super) const TERMINATING_FLOW: u32 = 48;
    pub(super) const BEGIN: u64 = 1;
    pub(super) const END: u64 = 2;
    pub(super) const INSTANT: u64 = 3;
}

mod annotation {
    pub(super) const NAME: u32 = 10;
    pub(super) const UINT: u32 = 3;
    pub(super) const STRING: u32 = 6;
    pub(super) const POINTER: u32 = 7;
}

/// Tracks: groups below 16, threads and objects above.
const MARKS: u64 = 1;
const LOSSES: u64 = 2;
const THREADS: u64 = 3;
const OBJECTS: u64 = 4;

const fn thread_track(tid: u32) -> u64 {
    1 << 32 | tid as u64
}

const fn object_track(handle: u32) -> u64 {
    2 << 32 | handle as u64
}

/// The packets of one trace.
#[derive(Debug, Default)]
struct Packets {
    /// Each with its time; sorted before they are written.
    events: Vec<(u64, Message)>,
    descriptors: Vec<Message>,
}

impl Packets {
    fn track(&mut self, uuid: u64, name: &str, parent: Option<u64>, rank: u64) {
        let mut track = Message::default();
        track.varint(descriptor::UUID, uuid).string(descriptor::NAME, name);
        if let Some(parent) = parent {
            track.varint(descriptor::PARENT, parent);
        }
        track.varint(descriptor::CHILD_ORDERING, descriptor::EXPLICIT).varint(descriptor::RANK, rank);
        let mut packet = Message::default();
        packet.varint(packet::SEQUENCE, 1).message(packet::TRACK_DESCRIPTOR, track);
        self.descriptors.push(packet);
    }

    fn event(&mut self, cycle: u64, event: Message) {
        let time = cycle.saturating_mul(NANOSECONDS);
        let mut packet = Message::default();
        packet
            .varint(packet::TIMESTAMP, time)
            .varint(packet::SEQUENCE, 1)
            .message(packet::TRACK_EVENT, event);
        self.events.push((time, packet));
    }

    fn slice(&mut self, cycles: (u64, u64), mut begin: Message, track: u64) {
        begin.varint(event::TYPE, event::BEGIN).varint(event::TRACK, track);
        self.event(cycles.0, begin);
        let mut end = Message::default();
        end.varint(event::TYPE, event::END).varint(event::TRACK, track);
        self.event(cycles.1, end);
    }
}

/// Writes the trace.
pub(super) fn write(story: &Story, to: &mut dyn Write) -> io::Result<()> {
    let mut packets = Packets::default();
    tracks(story, &mut packets);
    marks_and_losses(story, &mut packets);
    waits(story, &mut packets);
    records(story, &mut packets);
    // A stable sort: slices that begin or end in one cycle keep their nesting.
    packets.events.sort_by_key(|(time, _)| *time);
    for packet in packets.descriptors.into_iter().chain(packets.events.into_iter().map(|(_, packet)| packet))
    {
        let mut trace = Message::default();
        trace.message(trace::PACKET, packet);
        to.write_all(&trace.into_bytes())?;
    }
    Ok(())
}

fn tracks(story: &Story, packets: &mut Packets) {
    packets.track(MARKS, "verdicts", None, 0);
    packets.track(LOSSES, "losses", None, 1);
    packets.track(THREADS, "guest threads", None, 2);
    packets.track(OBJECTS, "objects", None, 3);
    for (rank, tid) in (0..).zip(story.threads()) {
        packets.track(thread_track(tid), &format!("thread {tid}"), Some(THREADS), rank);
    }
    for (rank, object) in (0..).zip(story.objects()) {
        packets.track(object_track(object.handle), &object.to_string(), Some(OBJECTS), rank);
    }
}

fn named(name: &str, category: &str) -> Message {
    let mut message = Message::default();
    message.string(event::NAME, name).string(event::CATEGORY, category);
    message
}

fn annotate(message: &mut Message, name: &str, field: u32, value: u64) {
    let mut annotation = Message::default();
    annotation.string(annotation::NAME, name).varint(field, value);
    message.message(event::ANNOTATION, annotation);
}

fn annotate_text(message: &mut Message, name: &str, text: &str) {
    let mut annotation = Message::default();
    annotation.string(annotation::NAME, name).string(annotation::STRING, text);
    message.message(event::ANNOTATION, annotation);
}

fn marks_and_losses(story: &Story, packets: &mut Packets) {
    for mark in &story.marks {
        let mut event = named(&mark.title, "verdict");
        annotate_text(&mut event, "summary", &mark.text);
        event.varint(event::TYPE, event::INSTANT).varint(event::TRACK, MARKS);
        packets.event(mark.cycle, event);
    }
    let last = story.last_cycle();
    // Gaps of several rings overlap, and slices of one track must nest: a track for each ring.
    let mut rings: Vec<u8> = story.recovered.snapshot.losses.gaps.iter().map(|gap| gap.ring).collect();
    rings.sort_unstable();
    rings.dedup();
    for ring in rings {
        let track = 3 << 32 | u64::from(ring);
        packets.track(track, &format!("ring {ring}"), Some(LOSSES), ring.into());
        for gap in story.recovered.snapshot.losses.gaps.iter().filter(|gap| gap.ring == ring) {
            let mut event = named(&lost(gap), "loss");
            annotate(&mut event, "rejected", annotation::UINT, gap.rejected.total());
            packets.slice((gap.first_cycle, gap.last_cycle.min(last.max(gap.first_cycle))), event, track);
        }
    }
}

/// The name of a loss. Perfetto's UI draws a slice in a colour that it derives from the name without its numbers: both
/// of these come out red, in its usual palette and in the common one.
pub(super) fn lost(gap: &Gap) -> String {
    match gap.rejected.total() {
        0 => "Lost here!".to_owned(),
        count => format!("LOST {count} while the ring was full"),
    }
}

/// Waits of one thread as slices that nest. A thread that waits for several handles begins and ends those waits in
/// one go; the outer one is made to last as long as the inner ones.
fn waits(story: &Story, packets: &mut Packets) {
    let mut threads: HashMap<u32, Vec<(&WaitSlice, u64, u64)>> = HashMap::new();
    for wait in &story.waits {
        let (begin, end) = story.cycles(wait);
        threads.entry(story.records[wait.begin].entry.tid).or_default().push((wait, begin, end));
    }
    for (tid, mut slices) in threads {
        slices.sort_by_key(|(_, begin, end)| (*begin, Reverse(*end)));
        let mut outer: Vec<(&WaitSlice, u64)> = Vec::new();
        for (wait, begin, end) in slices {
            while outer.last().is_some_and(|(_, end)| *end <= begin) {
                end_slice(packets, tid, outer.pop());
            }
            outer.iter_mut().for_each(|(_, outer_end)| *outer_end = (*outer_end).max(end));
            packets.event(begin, wait_begin(story, wait, tid));
            outer.push((wait, end));
        }
        while !outer.is_empty() {
            end_slice(packets, tid, outer.pop());
        }
    }
}

fn end_slice(packets: &mut Packets, tid: u32, slice: Option<(&WaitSlice, u64)>) {
    if let Some((_, end)) = slice {
        let mut event = Message::default();
        event.varint(event::TYPE, event::END).varint(event::TRACK, thread_track(tid));
        packets.event(end, event);
    }
}

fn wait_begin(story: &Story, wait: &WaitSlice, tid: u32) -> Message {
    let record = &story.records[wait.begin];
    let mut event = named(&story.wait_title(wait), "wait");
    describe(&mut event, record);
    if let Some(end) = wait.end {
        annotate(&mut event, "status", annotation::POINTER, story.records[end].entry.aux);
    }
    event.varint(event::TYPE, event::BEGIN).varint(event::TRACK, thread_track(tid));
    event
}

fn describe(event: &mut Message, record: &CapturedRecord) {
    annotate_text(event, "source", record.entry.source.as_str());
    annotate(event, "lr", annotation::POINTER, record.entry.lr.into());
    annotate(event, "tid", annotation::UINT, record.entry.tid.into());
    annotate(event, "ring", annotation::UINT, record.ring.into());
    annotate(event, "aux", annotation::POINTER, record.entry.aux);
}

/// Records as instants: the ends of waits on the tracks of threads, all others on those of objects.
fn records(story: &Story, packets: &mut Packets) {
    let mut leaving: HashMap<usize, Vec<u64>> = HashMap::new();
    let mut arriving: HashMap<usize, Vec<u64>> = HashMap::new();
    for (id, flow) in (1..).zip(&story.flows) {
        leaving.entry(flow.from).or_default().push(id);
        arriving.entry(flow.to).or_default().push(id);
    }
    for (index, record) in story.records.iter().enumerate() {
        if record.operation == Operation::Wait {
            continue;
        }
        let mut event = named(&title(record), record.operation.name());
        describe(&mut event, record);
        for id in leaving.get(&index).into_iter().flatten() {
            event.fixed64(event::FLOW, *id);
        }
        for id in arriving.get(&index).into_iter().flatten() {
            event.fixed64(event::TERMINATING_FLOW, *id);
        }
        let of_thread =
            matches!(record.operation, Operation::Wake | Operation::Satisfied) && record.entry.tid > 0;
        let track = if of_thread { thread_track(record.entry.tid) } else { object_track(record.handle) };
        event.varint(event::TYPE, event::INSTANT).varint(event::TRACK, track);
        packets.event(record.entry.cycle, event);
    }
}
