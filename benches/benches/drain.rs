//! The pipeline as a whole: how much passes it without a loss, and what the drain thread costs at a given rate.

use std::fs;
use std::time::{Duration, Instant};

use benches::feed::{record, sustained};
use benches::incumbent::{Incumbent, StdMutex};
use benches::measure::median;
use benches::runs::clock_cost;
use benches::threads::{on_one_map, own_handles, own_stripes, producers};
use benches::workload::{Event, Spread, events, handle};
use handle_audit::{AuditConfig, HandleAudit, HandleKind, Operation, label};
use quanta::Clock;

/// Events that go round.
const EVENTS: usize = 1 << 21;

/// Sustained rates: the fold runs without a pause, producers go as fast as it allows.
fn sustained_rates() {
    println!("drain/sustained, nothing lost, millions of records a second");
    for handles in [1_000, 100_000, 1_000_000] {
        let events = events(handles, Spread::Uniform, EVENTS);
        print!("  {handles:>9} handles:");
        for producers in 1..=6 {
            let run = sustained(handles, producers, &events, Duration::from_millis(700));
            assert_eq!(run.rejected, 0, "the producers waited for the fold");
            print!("  {producers} producers {:6.1}", run.rate / 1e6);
        }
        println!();
    }
}

/// What a record costs its thread, by how many threads record at the same time.
fn scaling() {
    println!(
        "drain/cost of a record in nanoseconds, each producer with its own ring and handles; the incumbent's map beside it"
    );
    let middle = |run: &dyn Fn() -> f64| median(&(0..9).map(|_| run()).collect::<Vec<_>>());
    for threads in 1..=6 {
        let handles = own_handles(threads);
        let ours = middle(&|| producers(&handles));
        let map = middle(&|| on_one_map::<StdMutex>(&handles));
        println!("  {threads} producers {ours:7.2}  {} {map:8.2}", StdMutex::NAME);
    }
    let apart = own_stripes(2);
    println!("  two producers, no stripe in common {:7.2}", middle(&|| producers(&apart)));
}

/// Nanoseconds that the drain thread has run, as the kernel counts them.
fn drain_time() -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    for task in tasks.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.starts_with("handle-audit-d") {
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            return stat.split_whitespace().next()?.parse().ok();
        }
    }
    None
}

/// Records that are made together at least: fewer would be timed with little but the clock's own cost.
const BURST: u64 = 64;

/// How long the producer must keep a rate for it to count as reached.
const WINDOW: Duration = Duration::from_millis(10);

/// One producer at a fixed rate, beside the drain's own thread with its naps.
fn at_rate(rate: u64, events: &[Event]) {
    let audit = HandleAudit::new(AuditConfig::default().ring_capacity(1 << 16).enabled(true))
        .expect("rings in range");
    let mut recorder = audit.claim(0).expect("nobody has it");
    for index in 0..1_000 {
        let event = Event { operation: Operation::Create, handle: handle(index), tid: 1, cycle: 0 };
        recorder.record_create(event.handle, HandleKind::EVENT_AUTO, event.entry(label!("NtCreateEvent")));
    }
    audit.flush().expect("the drain lives");
    let clock = Clock::new();
    let empty = clock_cost(&clock);
    // A thread that has not begun has not run either.
    let (length, before) = (Duration::from_millis(500), drain_time().unwrap_or(0));
    let (mut made, mut spent, mut fastest) = (0u64, 0.0, 0f64);
    let mut window = (Duration::ZERO, 0);
    let begin = Instant::now();
    while begin.elapsed() < length {
        let due = (begin.elapsed().as_nanos() as u64 * rate / 1_000_000_000).min(made + 1024);
        if due < made + BURST {
            std::hint::spin_loop();
            continue;
        }
        let burst = clock.raw();
        for number in made..due {
            record(&mut recorder, &events[number as usize % events.len()], number);
        }
        spent += (clock.delta(burst, clock.raw()).as_nanos() as f64 - empty).max(0.0);
        made = due;
        let (now, length) = (begin.elapsed(), begin.elapsed() - window.0);
        if length >= WINDOW {
            fastest = fastest.max((made - window.1) as f64 / length.as_secs_f64());
            window = (now, made);
        }
    }
    let elapsed = begin.elapsed();
    let drain = drain_time().map(|after| (after - before) as f64 / elapsed.as_nanos() as f64);
    let losses = audit.losses().expect("the drain lives");
    println!(
        "  {:>11} a second asked, {:>11.0} made, {:>11.0} at most, producer {:6.1} ns a record, drain {:5.1} % of a processor, {} rejected",
        rate,
        made as f64 / elapsed.as_secs_f64(),
        fastest,
        spent / made as f64,
        drain.unwrap_or(f64::NAN) * 100.0,
        losses.rejected(),
    );
}

fn main() {
    sustained_rates();
    scaling();
    let events = events(1_000, Spread::Uniform, 1 << 16);
    println!("drain/by rate, one producer, 1000 handles");
    for rate in [10_000, 100_000, 1_000_000, 10_000_000, 30_000_000, 100_000_000] {
        at_rate(rate, &events);
    }
}
