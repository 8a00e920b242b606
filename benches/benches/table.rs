//! The closing table: every goal that can be measured on this machine, with what it is held against, in turns in
//! one process. Three runs; the median of each figure and of each ratio counts.
//!
//! `cargo bench -p benches --bench table -- quick` takes one short run. A JSON of the table goes to `goals.json` in
//! the directory of what cargo builds, or to the path given by `--json=PATH`.

use std::alloc::System;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::feed::{self, BATCH, Feed, sustained, warm_up};
use benches::footprint::footprint;
use benches::goals::{self, Bound, Goal};
use benches::guests::{Audit, Guest};
use benches::incumbent::{Bare, Incumbent, StdMutex};
use benches::limits::Memory;
use benches::loops::PLAIN;
use benches::measure::{Candidate, Series, find, in_turns, median};
use benches::pushers::{
    Audited, Direct, Nothing40, Nothing48, Plain, Pusher, Rdtsc, Rtrb, Stamp, Striped, check,
};
use benches::report::{self, Hang};
use benches::runs::{BURST, Bench, Short, ShortBursts, shuffled_handles, work_alone};
use benches::threads::{on_one_map, own_handles, own_stripes, producers};
use benches::workload::{Spread, events, handle};
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

/// A file in the directory of what cargo builds, which need not be `target`: this program lies in its `release/deps`.
fn in_target(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("the system knows which program this is");
    program.ancestors().nth(3).unwrap_or(Path::new(".")).join(name)
}

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

/// Bursts in turns of some hundred; the percentiles are those of all turns together.
fn bursts_of_twenty(effort: Effort) -> Vec<Goal> {
    const BURSTS: usize = 400;
    let mut queues =
        (Short::<Audited<true>>::new(), Short::<Plain<5, Rdtsc>>::new(), Short::<Plain<5, Nothing40>>::new());
    let mut figures: [Vec<f64>; 3] = Default::default();
    for _ in 0..effort.turns {
        let turns = [queues.0.turn(BURSTS), queues.1.turn(BURSTS), queues.2.turn(BURSTS)];
        figures.iter_mut().zip(turns).for_each(|(figures, turn)| figures.extend(turn));
    }
    let [ours, rdtsc, plain] = figures.map(|figures| ShortBursts::of(&figures));
    let against = |what: &str, theirs: f64, bound| {
        Goal::of_ratio(what, ours.p50, theirs, "ns", ours.p50 / theirs, Bound::AtMost(bound))
    };
    vec![
        against("bursts of 20: p50 against rdtsc", rdtsc.p50, 0.65),
        against("bursts of 20: p50 against the plain push", plain.p50, 1.15),
        Goal {
            note: Some(format!("the plain push {:.2}", plain.p999 / plain.p50)),
            ..Goal::of_ratio(
                "bursts of 20: p99.9 against p50",
                ours.p999,
                ours.p50,
                "ns",
                ours.p999 / ours.p50,
                Bound::AtMost(6.0),
            )
        },
    ]
}

fn two_producers(effort: Effort) -> Vec<Goal> {
    // As many handles in the map as for one thread: more would slow it down.
    let both = [shuffled_handles(), shuffled_handles()];
    let series = in_turns(
        effort.turns,
        vec![
            ("one", Box::new(|| producers(&own_handles(1)))),
            ("apart", Box::new(|| producers(&own_stripes(2)))),
            ("sharing", Box::new(|| producers(&own_handles(2)))),
            ("incumbent", Box::new(|| on_one_map::<StdMutex>(&both))),
        ],
    );
    let incumbent = find(&series, "incumbent");
    let goals = |name: &str, how: &str| {
        let two = find(&series, name);
        let what = |what: &str| format!("{what}, {how}");
        let times = incumbent.ratio_to(two);
        let faster = what("times faster than the incumbent, two threads");
        [
            ratio(&what("two producers against one"), &series, name, "one", Bound::AtMost(1.1)),
            Goal::of_ratio(&faster, two.median(), incumbent.median(), "ns", times, Bound::AtLeast(40.0)),
        ]
    };
    [goals("apart", "stripes apart"), goals("sharing", "stripes shared")].concat()
}

fn fold(effort: Effort) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (handles, most, least) in [(1_000, 5.0, 3.0), (100_000, 12.0, 8.0), (1_000_000, 25.0, 10.0)] {
        let events = events(handles, Spread::Uniform, 1 << 20);
        let mut feed = Feed::new(handles, events.clone());
        let mut bare = Bare::with_handles((0..handles).map(handle));
        let batches = 64;
        let mut next = 0;
        feed.fold(warm_up(handles) as u64);
        for _ in 0..warm_up(handles) {
            bare.append(&events[next % events.len()]);
            next += 1;
        }
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
    let fold = |feed: &mut Feed| per_record(feed.fold(64 * BATCH as u64).0, 64 * BATCH);
    let snapshot = || drop(audit.snapshot().expect("the drain lives"));
    let series = in_turns(
        effort.turns,
        vec![
            ("alone", Box::new(|| fold(&mut alone))),
            ("read", Box::new(|| feed::beside_a_reader(snapshot, || fold(&mut read)))),
        ],
    );
    vec![ratio("fold beside a snapshot a millisecond", &series, "read", "alone", Bound::AtMost(1.5))]
}

/// Each turn has a hang of its own, whose last records still lie in their ring: to fold them is on the way, too.
fn report_of_a_hang(effort: Effort) -> Vec<Goal> {
    let time = |_| {
        let hang = Hang::new(report::HANDLES, report::RECORDS);
        let begin = Instant::now();
        let (snapshot, text) = hang.report();
        let time = begin.elapsed().as_secs_f64() * 1e3;
        hang.check(&text);
        drop(snapshot);
        time
    };
    let times: Vec<f64> = (0..effort.turns).map(time).collect();
    let what = format!("last event to report, {} handles", report::HANDLES);
    vec![Goal::of_figure(what, median(&times), "ms", Bound::AtMost(200.0))]
}

/// Whole runs of the emulator: how much longer they take with the audit on than with it off.
fn guests(effort: Effort) -> Vec<Goal> {
    let guests = [(Guest::event_heavy(300_000), 3.0), (Guest::compute_heavy(60_000_000), 1.0)];
    let overhead = |(guest, most): &(Guest, f64)| {
        let rates = RefCell::new(Vec::new());
        let run = |audit| {
            let rates = &rates;
            move || {
                // A record that is refused costs less. The host may take the drain's processor for a while.
                let run = (0..5).map(|_| guest.run(audit)).find(|run| run.rejected == 0);
                let run = run.expect("one run of five refuses nothing");
                if audit == Audit::On {
                    rates.borrow_mut().push(run.recorded as f64 / run.seconds / 1e6);
                }
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
        let note = Some(format!("{:.3} M records a second", median(&rates.borrow())));
        let goal = Goal::of_ratio(what, on.median(), off.median(), "ms", more, Bound::AtMost(*most));
        Goal { note, ..goal }
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
    let counts = fs::read(in_target("hot-path.json")).unwrap_or_default();
    let counts: Value = serde_json::from_slice(&counts).unwrap_or_default();
    let goal = |what, key: &str, bound| match counts[key].as_f64() {
        Some(count) => Goal::of_figure(what, count, "instr", bound),
        None => Goal::not_measured(what, "instr", bound, "run ci/gate-hot-path.sh first"),
    };
    vec![
        goal("instructions of a call, off", "off", Bound::AtMost(3.0)),
        goal("instructions of a record, on", "on", Bound::AtMost(45.0)),
    ]
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
    let json = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--json="))
        .map_or_else(|| in_target("goals.json"), PathBuf::from);
    let runs: Vec<_> = (0..effort.runs).map(|_| one_run(effort)).collect();
    let goals: Vec<Goal> = instructions().into_iter().chain(medians(&runs)).collect();
    println!("\n{}; medians of {} runs\n\n{}", goals::processor(), effort.runs, goals::table(&goals));
    match fs::write(&json, format!("{:#}\n", goals::document(&goals, effort.runs))) {
        Ok(()) => println!("written to {}", json.display()),
        Err(error) => eprintln!("cannot write {}: {error}", json.display()),
    }
}
