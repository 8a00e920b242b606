//! The closing table: every goal that can be measured on this machine, with what it is held against, in turns in
//! one process. Three runs; the median of each figure and of each ratio counts.
//!
//! `cargo bench -p benches --bench table -- quick` takes one short run. A JSON of the table goes to
//! `target/goals.json`, or to the path given by `--json=PATH`.

use std::alloc::System;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::feed::{BATCH, Feed, sustained};
use benches::footprint::footprint;
use benches::goals::{self, Bound, Goal};
use benches::guests::{Audit, Guest};
use benches::incumbent::{Bare, Incumbent, StdMutex};
use benches::limits::Memory;
use benches::loops::PLAIN;
use benches::measure::{Candidate, Series, find, in_turns, median};
use benches::pushers::{
    Audited, Direct, Nothing40, Nothing48, Plain, Pusher, Rdtsc, Rtrb, Stamp, Striped, TID, audit_for, check,
};
use benches::report::{self, Hang};
use benches::runs::{BURST, Bench, HANDLES, all_handles, short_bursts, shuffled_handles, work_alone};
use benches::workload::{Event, Spread, events, handle};
use handle_audit::{Operation, label};
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what a handle takes. Nothing that is timed allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How long to measure.
#[derive(Clone, Copy)]
struct Effort {
    runs: usize,
    turns: usize,
    sustained: Duration,
}

/// Benchmarks run in their package's directory.
const DEFAULT_JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/goals.json");

/// Where the gate leaves its counts.
const HOT_PATH_JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/hot-path.json");

const FULL: Effort = Effort { runs: 3, turns: 15, sustained: Duration::from_millis(1500) };
const QUICK: Effort = Effort { runs: 1, turns: 5, sustained: Duration::from_millis(400) };

fn per_record(time: Duration, records: usize) -> f64 {
    time.as_nanos() as f64 / records as f64
}

fn burst<'a, P: Pusher + 'a>() -> Candidate<'a>
where
    P::Taker: 'a,
{
    check::<P>();
    let mut bench = Bench::<P>::new();
    (P::NAME, Box::new(move || per_record(bench.burst(20), 20 * BURST)))
}

fn in_situ<'a, P: Pusher + 'a>() -> Candidate<'a>
where
    P::Taker: 'a,
{
    check::<P>();
    let mut bench = Bench::<P>::new();
    (P::NAME, Box::new(move || per_record(bench.in_situ(4), 4 * BURST)))
}

fn ratio(what: &str, series: &[Series], mine: &str, theirs: &str, bound: Bound) -> Goal {
    let (mine, theirs) = (find(series, mine), find(series, theirs));
    Goal::of_ratio(what, mine.median(), theirs.median(), "ns", mine.ratio_to(theirs), bound)
}

fn bursts(effort: Effort) -> Vec<Goal> {
    let mut off = Bench::<Audited<false>>::new();
    let off: Candidate<'_> = ("off", Box::new(move || per_record(off.burst(20), 20 * BURST)));
    let series = in_turns(
        effort.turns,
        vec![
            burst::<Audited<true>>(),
            burst::<Plain<5, Rdtsc>>(),
            burst::<Plain<5, Striped>>(),
            burst::<Rtrb>(),
            burst::<Plain<6, Nothing48>>(),
            burst::<Plain<5, Nothing40>>(),
            burst::<Direct<StdMutex>>(),
            off,
        ],
    );
    let ours = "record_signal, on";
    let mut goals = vec![
        ratio("on, burst, against rdtsc", &series, ours, Rdtsc::NAME, Bound::AtMost(0.3)),
        ratio("on, burst, against striped fetch_add", &series, ours, Striped::NAME, Bound::AtMost(0.5)),
        ratio("on, burst, against rtrb", &series, ours, Rtrb::NAME, Bound::AtMost(1.75)),
    ];
    let incumbent = find(&series, StdMutex::NAME);
    let ours = find(&series, ours);
    let times = incumbent.ratio_to(ours);
    goals.push(Goal::of_ratio(
        "on, burst: times faster than the incumbent, one thread",
        ours.median(),
        incumbent.median(),
        "ns",
        times,
        Bound::AtLeast(8.0),
    ));
    goals
}

fn between_work(effort: Effort) -> Vec<Goal> {
    let alone: Candidate<'_> = ("alone", Box::new(|| per_record(work_alone(4), 4 * BURST)));
    let mut series = in_turns(
        effort.turns * 2,
        vec![alone, in_situ::<Audited<true>>(), in_situ::<Plain<5, Rdtsc>>(), in_situ::<Rtrb>()],
    );
    let alone = series.remove(0);
    for series in &mut series {
        series.turns = series.turns.iter().zip(&alone.turns).map(|(with, without)| with - without).collect();
    }
    // Differences of nearly equal times: the ratio of the medians is steadier than the median of the ratios.
    let ours = find(&series, "record_signal, on").median();
    let goal = |what: &str, theirs: &str, bound| {
        let theirs = find(&series, theirs).median();
        Goal::of_ratio(what, ours, theirs, "ns", ours / theirs, bound)
    };
    vec![
        goal("on, in situ, against rdtsc", Rdtsc::NAME, Bound::AtMost(0.25)),
        goal("on, in situ, against rtrb", Rtrb::NAME, Bound::AtMost(2.0)),
    ]
}

fn bursts_of_twenty(effort: Effort) -> Vec<Goal> {
    let count = 2_000 * effort.turns / 5;
    let ours = short_bursts::<Audited<true>>(count);
    let rdtsc = short_bursts::<Plain<5, Rdtsc>>(count);
    let plain = short_bursts::<Plain<5, Nothing40>>(count);
    let against = |what: &str, theirs: f64, bound| {
        Goal::of_ratio(what, ours.p50, theirs, "ns", ours.p50 / theirs, Bound::AtMost(bound))
    };
    vec![
        against("bursts of 20: p50 against rdtsc", rdtsc.p50, 0.65),
        against("bursts of 20: p50 against the plain push", plain.p50, 1.15),
        Goal::of_ratio(
            "bursts of 20: p99.9 against p50",
            ours.p999,
            ours.p50,
            "ns",
            ours.p999 / ours.p50,
            Bound::AtMost(6.0),
        ),
    ]
}

/// Nanoseconds per record of `threads` threads, each with its own ring and its own handles.
fn producers(threads: usize) -> f64 {
    let own = |thread: usize| (0..HANDLES as u32).map(move |index| handle(index + (thread * HANDLES) as u32));
    let all: Vec<u32> = (0..threads).flat_map(own).collect();
    let (audit, first) = audit_for(BURST * threads, &all, true);
    let mut recorders = vec![first];
    recorders.extend((1..threads).map(|ring| audit.claim(ring).expect("nobody has it")));
    let barrier = std::sync::Barrier::new(threads);
    let time: Duration = thread::scope(|scope| {
        let (barrier, audit) = (&barrier, &audit);
        let spawn = |(thread, mut recorder): (usize, handle_audit::Recorder)| {
            let handles: Vec<u32> = own(thread).collect();
            scope.spawn(move || {
                let mut time = Duration::ZERO;
                for _ in 0..20 {
                    barrier.wait();
                    let begin = Instant::now();
                    for number in 0..BURST {
                        let event = Event {
                            operation: Operation::Signal,
                            handle: handles[number * 7 % HANDLES],
                            tid: TID,
                            cycle: number as u64,
                        };
                        recorder.record_signal(event.handle, event.entry(label!("NtSetEvent")));
                    }
                    time += begin.elapsed();
                    if barrier.wait().is_leader() {
                        audit.flush().expect("the drain lives");
                    }
                }
                time
            })
        };
        let running: Vec<_> = recorders.into_iter().enumerate().map(spawn).collect();
        running.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    });
    assert_eq!(audit.losses().expect("the drain lives").rejected(), 0);
    per_record(time, 20 * BURST * threads)
}

/// Nanoseconds per record of two threads that write one incumbent map.
fn incumbent_on_two() -> f64 {
    let (first, _) = Direct::<StdMutex>::pair(0, &all_handles());
    let second = first.second();
    let handles = shuffled_handles();
    let begin = Instant::now();
    thread::scope(|scope| {
        for mut map in [first, second] {
            let handles = &handles;
            scope.spawn(move || {
                for number in 0..20 * BURST {
                    map.push(handles[number % HANDLES], number as u64);
                }
            });
        }
    });
    per_record(begin.elapsed(), 20 * BURST)
}

fn two_producers(effort: Effort) -> Vec<Goal> {
    let series = in_turns(
        effort.turns,
        vec![
            ("one", Box::new(|| producers(1))),
            ("two", Box::new(|| producers(2))),
            ("incumbent", Box::new(incumbent_on_two)),
        ],
    );
    let (two, incumbent) = (find(&series, "two"), find(&series, "incumbent"));
    vec![
        ratio("two producers against one, per record", &series, "two", "one", Bound::AtMost(1.1)),
        Goal::of_ratio(
            "on, burst: times faster than the incumbent, two threads",
            two.median(),
            incumbent.median(),
            "ns",
            incumbent.ratio_to(two),
            Bound::AtLeast(40.0),
        ),
    ]
}

fn fold(effort: Effort) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (handles, most, least) in [(1_000, 5.0, 3.0), (100_000, 12.0, 8.0), (1_000_000, 25.0, 10.0)] {
        let events = events(handles, Spread::Uniform, 1 << 20);
        let mut feed = Feed::new(handles, events.clone());
        let mut bare = Bare::with_handles((0..handles).map(handle));
        let batches = 64;
        let mut next = 0;
        let map = || {
            let begin = Instant::now();
            for _ in 0..batches * BATCH {
                bare.append(&events[next % events.len()]);
                next += 1;
            }
            per_record(begin.elapsed(), batches * BATCH)
        };
        let audit = || per_record(feed.fold((batches * BATCH) as u64).0, batches * BATCH);
        let mut memory = Memory::new(handles);
        let limit = || {
            let (time, events) = memory.walk(batches * BATCH);
            per_record(time, events)
        };
        let candidates: Vec<Candidate<'_>> =
            vec![("audit", Box::new(audit)), ("map", Box::new(map)), ("memory", Box::new(limit))];
        let series = in_turns(effort.turns, candidates);
        let (audit, map) = (find(&series, "audit"), find(&series, "map"));
        goals.push(Goal {
            against: Some(find(&series, "memory").median()),
            ..Goal::of_figure(
                format!("fold, {handles} handles (against: its memory alone)"),
                audit.median(),
                "ns",
                Bound::AtMost(most),
            )
        });
        goals.push(Goal::of_ratio(
            format!("fold, {handles} handles: times faster than the incumbent map"),
            audit.median(),
            map.median(),
            "ns",
            map.ratio_to(audit),
            Bound::AtLeast(least),
        ));
    }
    goals
}

fn sustained_rates(effort: Effort) -> Vec<Goal> {
    [(1_000, 100.0), (1_000_000, 30.0)]
        .into_iter()
        .map(|(handles, least)| {
            let run = sustained(handles, 1, &events(handles, Spread::Uniform, 1 << 20), effort.sustained);
            assert_eq!(run.rejected, 0, "the producer waited for the fold");
            let what = format!("sustained, {handles} handles, nothing lost");
            Goal::of_figure(what, run.rate / 1e6, "M/s", Bound::AtLeast(least))
        })
        .collect()
}

fn beside_a_reader(effort: Effort) -> Vec<Goal> {
    let events = events(1_000, Spread::Uniform, 1 << 18);
    let mut alone = Feed::new(1_000, events.clone());
    let mut read = Feed::new(1_000, events);
    let audit = read.audit_handle();
    let stop = AtomicBool::new(false);
    let series = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                audit.snapshot().expect("the drain lives");
                thread::sleep(Duration::from_millis(1));
            }
        });
        let turn = |feed: &mut Feed| per_record(feed.fold(64 * BATCH as u64).0, 64 * BATCH);
        let series = in_turns(
            effort.turns,
            vec![("alone", Box::new(|| turn(&mut alone))), ("read", Box::new(|| turn(&mut read)))],
        );
        stop.store(true, Ordering::Relaxed);
        series
    });
    vec![ratio("fold beside a snapshot a millisecond", &series, "read", "alone", Bound::AtMost(1.5))]
}

fn report_of_a_hang(effort: Effort) -> Vec<Goal> {
    let hang = Hang::new(report::HANDLES, report::RECORDS);
    hang.check(&hang.report().1);
    let time = || {
        let begin = Instant::now();
        let report = hang.report();
        let time = begin.elapsed().as_secs_f64() * 1e3;
        drop(report);
        time
    };
    let times: Vec<f64> = (0..effort.turns).map(|_| time()).collect();
    let what = format!("last event to report, {} handles", report::HANDLES);
    vec![Goal::of_figure(what, median(&times), "ms", Bound::AtMost(200.0))]
}

/// Whole runs of the emulator: how much longer they take with the audit on than with it off.
fn guests(effort: Effort) -> Vec<Goal> {
    let guests = [(Guest::event_heavy(300_000), 3.0), (Guest::compute_heavy(60_000_000), 1.0)];
    let overhead = |(guest, most): &(Guest, f64)| {
        let run = |audit| {
            move || {
                let run = guest.run(audit);
                assert_eq!(run.rejected, 0, "a record that is refused costs less");
                run.seconds * 1e3
            }
        };
        let series = in_turns(
            effort.turns,
            vec![("off", Box::new(run(Audit::Off))), ("on", Box::new(run(Audit::On)))],
        );
        let (on, off) = (find(&series, "on"), find(&series, "off"));
        let more = (on.ratio_to(off) - 1.0) * 100.0;
        let what = format!("{}: time on against off, % more", guest.name);
        Goal::of_ratio(what, on.median(), off.median(), "ms", more, Bound::AtMost(*most))
    };
    guests.iter().map(overhead).collect()
}

fn interpreter(effort: Effort) -> Vec<Goal> {
    let ready = PLAIN.ready();
    let rates: Vec<f64> = (0..effort.turns).map(|_| ready.rate(200) / 1e6).collect();
    vec![Goal::of_figure("interpreter, plain loop", median(&rates), "M/s", Bound::AtLeast(300.0))]
}

fn memory(_: Effort) -> Vec<Goal> {
    let bytes = footprint(ALLOCATOR);
    let goal = |what, figure, most| Goal::of_figure(what, figure, "bytes", Bound::AtMost(most));
    vec![
        goal("memory of a record in its ring", bytes.record, 41.0),
        goal("memory of a handle after one event", bytes.one_event, 160.0),
        goal("memory of a handle with full lists", bytes.full, 5.5 * 1024.0),
    ]
}

/// What `ci/gate-hot-path.sh` counted last; callgrind is no benchmark.
fn instructions() -> Vec<Goal> {
    let counts: Option<Value> =
        fs::read(HOT_PATH_JSON).ok().and_then(|json| serde_json::from_slice(&json).ok());
    let Some(counts) = counts else {
        println!("no {HOT_PATH_JSON}: ci/gate-hot-path.sh counts the instructions of a record");
        return Vec::new();
    };
    let goal = |what, key: &str, most| {
        let count = counts[key].as_f64().unwrap_or(f64::NAN);
        Goal::of_figure(what, count, "instr", Bound::AtMost(most))
    };
    vec![goal("instructions of a call, off", "off", 3.0), goal("instructions of a record, on", "on", 45.0)]
}

fn one_run(effort: Effort) -> Vec<Goal> {
    [
        bursts,
        between_work,
        bursts_of_twenty,
        two_producers,
        fold,
        sustained_rates,
        beside_a_reader,
        report_of_a_hang,
        guests,
        interpreter,
        memory,
    ]
    .into_iter()
    .flat_map(|part| part(effort))
    .collect()
}

/// Of each goal, the median of figure, of what it is held against, and of the value.
fn medians(runs: &[Vec<Goal>]) -> Vec<Goal> {
    let middle = |index: usize, field: fn(&Goal) -> f64| {
        median(&runs.iter().map(|run| field(&run[index])).collect::<Vec<_>>())
    };
    (0..runs[0].len())
        .map(|index| {
            let mut goal = runs[0][index].clone();
            goal.figure = middle(index, |goal| goal.figure);
            goal.value = middle(index, |goal| goal.value);
            goal.against = goal.against.map(|_| middle(index, |goal| goal.against.unwrap_or(f64::NAN)));
            goal
        })
        .collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let effort = if arguments.iter().any(|argument| argument == "quick") { QUICK } else { FULL };
    let json = arguments.iter().find_map(|argument| argument.strip_prefix("--json=")).unwrap_or(DEFAULT_JSON);
    let runs: Vec<_> = (0..effort.runs).map(|_| one_run(effort)).collect();
    let goals: Vec<Goal> = instructions().into_iter().chain(medians(&runs)).collect();
    println!("\n{}; medians of {} runs\n\n{}", goals::processor(), effort.runs, goals::table(&goals));
    match fs::write(json, format!("{:#}\n", goals::document(&goals))) {
        Ok(()) => println!("written to {json}"),
        Err(error) => eprintln!("cannot write {json}: {error}"),
    }
}
