//! The pipeline as a whole: how much passes it without a loss, and what the drain thread costs at a given rate.

use std::fs;
use std::time::{Duration, Instant};

use benches::feed::{record, sustained};
use benches::workload::{Event, Spread, events, handle};
use handle_audit::{AuditConfig, HandleAudit, HandleKind, Operation, label};

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
    let (length, before) = (Duration::from_millis(500), drain_time());
    let (mut made, mut spent) = (0u64, Duration::ZERO);
    let begin = Instant::now();
    while begin.elapsed() < length {
        let due = (begin.elapsed().as_nanos() as u64 * rate / 1_000_000_000).min(made + 1024);
        if due == made {
            std::hint::spin_loop();
            continue;
        }
        let burst = Instant::now();
        for number in made..due {
            record(&mut recorder, &events[number as usize % events.len()], number);
        }
        spent += burst.elapsed();
        made = due;
    }
    let elapsed = begin.elapsed();
    let drain =
        drain_time().zip(before).map(|(after, before)| (after - before) as f64 / elapsed.as_nanos() as f64);
    let losses = audit.losses().expect("the drain lives");
    println!(
        "  {:>11} a second asked, {:>11.0} made, producer {:6.1} ns a record, drain {:5.1} % of a processor, {} rejected",
        rate,
        made as f64 / elapsed.as_secs_f64(),
        spent.as_nanos() as f64 / made as f64,
        drain.unwrap_or(f64::NAN) * 100.0,
        losses.rejected(),
    );
}

fn main() {
    sustained_rates();
    let events = events(1_000, Spread::Uniform, 1 << 16);
    println!("drain/by rate, one producer, 1000 handles");
    for rate in [10_000, 100_000, 1_000_000, 10_000_000, 30_000_000, 100_000_000] {
        at_rate(rate, &events);
    }
}
