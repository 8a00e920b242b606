//! What it costs a recorder that its ring lives in a file: per record, and at a page fault.
//!
//! The ring in memory is the ruler in each figure. The drain runs between the timed bursts, so what it costs to append to
//! the capture is a figure of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use benches::feed::record;
use benches::workload::{Event, Spread, events, handle};
use handle_audit::{AuditConfig, HandleAudit, HandleKind, Operation, Recorder, label};
use handle_capture::{CaptureOptions, CaptureWriter};

/// Records of a burst; half of what a ring holds.
const BURST: usize = 1 << 12;
const HANDLES: u32 = 1000;
const RINGS: usize = 2;

/// Where the rings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    Disk,
    SharedMemory,
}

impl Place {
    const ALL: [Self; 3] = [Self::Memory, Self::Disk, Self::SharedMemory];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::Disk => "capture, rings on disk",
            Self::SharedMemory => "capture, rings in /dev/shm",
        }
    }
}

/// An audit whose rings are at a place, and what goes through it.
struct Bench {
    audit: HandleAudit,
    recorder: Recorder,
    writer: Option<CaptureWriter>,
    path: PathBuf,
    events: Vec<Event>,
    /// Goes on where the events go round.
    cycle: u64,
}

impl Bench {
    fn new(place: Place, directory: &Path) -> Self {
        let path = directory.join("bench.htrail");
        let config = AuditConfig::default().rings(RINGS).ring_capacity(2 * BURST).enabled(true).manual();
        let options = CaptureOptions::new(&path).rings(RINGS).ring_capacity(2 * BURST).max_bytes(64 << 20);
        let captured = |options| {
            let (writer, capture) = CaptureWriter::create(&options).expect("there is space");
            (HandleAudit::with_capture(config.clone(), capture).expect("numbers in range"), Some(writer))
        };
        let (audit, writer) = match place {
            Place::Memory => (HandleAudit::new(config.clone()).expect("numbers in range"), None),
            Place::Disk => captured(options),
            Place::SharedMemory => captured(options.rings_in("/dev/shm")),
        };
        let mut recorder = audit.claim(0).expect("nobody has it");
        for index in 0..HANDLES {
            let event = Event { operation: Operation::Create, handle: handle(index), tid: 1, cycle: 0 };
            recorder.record_create(
                event.handle,
                HandleKind::EVENT_AUTO,
                event.entry(label!("NtCreateEvent")),
            );
        }
        audit.flush().expect("the drain lives");
        Self { audit, recorder, writer, path, events: events(HANDLES, Spread::Uniform, BURST), cycle: 0 }
    }

    /// Times whole bursts of records; the fold comes between them and is timed by itself.
    fn bursts(&mut self, count: u64) -> (Duration, Duration) {
        let (mut recording, mut folding) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..count {
            let begin = Instant::now();
            for event in &self.events {
                self.cycle += 1;
                record(&mut self.recorder, event, self.cycle);
            }
            let recorded = Instant::now();
            self.audit.flush().expect("the drain lives");
            recording += recorded - begin;
            folding += recorded.elapsed();
        }
        (recording, folding)
    }

    fn end(self) {
        assert_eq!(self.audit.losses().expect("the drain lives").rejected(), 0);
        self.audit.shutdown().expect("the drain lives");
        if let Some(writer) = self.writer {
            writer.finish().expect("it was written");
        }
    }
}

/// A directory on the disk that cargo builds on.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn per_record(c: &mut Criterion) {
    let mut group = c.benchmark_group("capture/one record");
    group.throughput(Throughput::Elements(1));
    for (part, of) in [("record", 0), ("append and fold", 1)] {
        for place in Place::ALL {
            let directory = on_disk();
            let mut bench = Bench::new(place, directory.path());
            group.bench_function(format!("{part}, {}", place.name()), |b| {
                b.iter_custom(|records| {
                    let bursts = records.div_ceil(BURST as u64);
                    let (recording, folding) = bench.bursts(bursts);
                    let time = [recording, folding][of];
                    time.mul_f64(records as f64 / (bursts * BURST as u64) as f64)
                });
            });
            bench.end();
        }
    }
    group.finish();
}

/// Times of single records, sorted, while another thread makes the system write the file back every 10 ms. A page that
/// is written back is write-protected first; the next record into it takes a page fault.
fn single_records(bench: &mut Bench, time: Duration) -> Vec<u64> {
    let stop = AtomicBool::new(false);
    let file = bench.writer.as_ref().map(|_| File::open(&bench.path).expect("it was made"));
    thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(file) = &file {
                    file.sync_data().expect("it can be written back");
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut times = Vec::new();
        let end = Instant::now() + time;
        while Instant::now() < end {
            for event in &bench.events {
                bench.cycle += 1;
                let begin = Instant::now();
                record(&mut bench.recorder, event, bench.cycle);
                times.push(begin.elapsed().as_nanos() as u64);
            }
            bench.audit.flush().expect("the drain lives");
        }
        stop.store(true, Ordering::Relaxed);
        times.sort_unstable();
        times
    })
}

/// Criterion has no percentiles; these are printed. The clock itself takes some 20 ns.
fn page_faults(_: &mut Criterion) {
    for place in Place::ALL {
        let directory = on_disk();
        let mut bench = Bench::new(place, directory.path());
        let times = single_records(&mut bench, Duration::from_secs(5));
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "capture/single records under write-back: {:27} p50 {} ns, p99.9 {} ns, p99.99 {} ns, max {} us, of {} records",
            place.name(),
            at(0.5),
            at(0.999),
            at(0.9999),
            at(1.0) / 1000,
            times.len()
        );
        bench.end();
    }
}

criterion_group! {
    name = capture;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = per_record, page_faults
}
criterion_main!(capture);
