//! The stress course as a program of its own: for sanitizers, which a test harness would get in the way of, and for
//! runs that are too long for a test.
//!
//! `stress THOUSANDS` runs three courses of that many thousand records: with rings that never fill, with rings that
//! overflow, and with more rings than a stripe has cells.
//!
//! `stress soak THOUSANDS SECONDS` runs the first of them until either is reached, and says every ten seconds how far
//! it is. Every record's place in the order of its handle is checked, and at the end every total.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use handle_audit::{AuditConfig, FoldObserver, HandleAudit, HandleAuditEntry, Losses, Operation};

mod course;

use course::{Checker, Course, FIRST_HANDLE};

const MILLION: f64 = 1e6;
const HANDLES: u32 = 256;

/// Records under way at most, so that no ring fills: fewer than the part of one ring that is not kept for creates.
const LEAD: u64 = 50_000;

#[derive(Debug)]
struct Watched(Arc<Checker>);

impl FoldObserver for Watched {
    fn folded(&mut self, operation: Operation, handle: u32, entry: &HandleAuditEntry) {
        self.0.folded(operation, handle, entry.aux);
    }
}

/// Runs one course; `watch` is told how many records were folded so far, and says when it is enough.
fn run(
    config: AuditConfig,
    goal: u64,
    lead: u64,
    mut watch: impl FnMut(u64) -> bool,
) -> Result<Losses, Box<dyn Error>> {
    let audit = HandleAudit::new(config.enabled(true))?;
    let handles: Vec<u32> = (0..HANDLES).map(|number| FIRST_HANDLE + 4 * number).collect();
    let checker = Checker::new(&handles);
    audit.observe(Box::new(Watched(checker.clone())))?;
    let course = Course { goal, lead, handles, checker };
    Ok(course.run(&audit, || {
        if watch(course.checker.total()) {
            course.checker.enough();
        }
    }))
}

fn accounts(name: &str, losses: &Losses) {
    println!(
        "{name}: attempted {}, folded {}, rejected {}, late {}; every handle's order and totals hold",
        losses.attempted(),
        losses.recorded(),
        losses.rejected(),
        losses.rings.iter().map(|ring| ring.late).sum::<u64>(),
    );
}

fn courses(goal: u64) -> Result<(), Box<dyn Error>> {
    let small = AuditConfig::default().ring_capacity(64);
    accounts("no ring fills", &run(AuditConfig::default(), goal, LEAD, |_| false)?);
    accounts("rings overflow", &run(small.clone(), goal, u64::MAX, |_| false)?);
    accounts("nine rings", &run(small.rings(9), goal, u64::MAX, |_| false)?);
    Ok(())
}

fn soak(goal: u64, limit: Duration) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let mut next = Duration::from_secs(10);
    let losses = run(AuditConfig::default(), goal, LEAD, |folded| {
        let gone = begun.elapsed();
        if gone >= next {
            next += Duration::from_secs(10);
            let rate = folded as f64 / gone.as_secs_f64() / MILLION;
            println!("{:>6} s  {folded:>15} records  {rate:>6.1} M/s", gone.as_secs());
        }
        gone >= limit
    })?;
    println!("{} s", begun.elapsed().as_secs());
    accounts("soak", &losses);
    Ok(())
}

fn number(argument: Option<&String>, what: impl Display) -> Result<u64, Box<dyn Error>> {
    let text =
        argument.ok_or_else(|| format!("usage: stress [soak] THOUSANDS [SECONDS]: {what} is missing"))?;
    text.parse().map_err(|error| format!("{what} {text:?}: {error}").into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("soak") => soak(
            number(arguments.get(1), "THOUSANDS")?.saturating_mul(1000),
            Duration::from_secs(number(arguments.get(2), "SECONDS")?),
        ),
        _ => courses(number(arguments.first(), "THOUSANDS")?.saturating_mul(1000)),
    }
}
