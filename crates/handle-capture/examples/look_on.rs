//! Makes a report on a running capture again and again, as a monitor would, until the run is over: `look_on FILE PERIOD_MS`.
//! Prints how many reports there were, how far apart, and how long one took, and fails if one of them lacked anything.
//! ci/live-report.sh measures what that costs the run.

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use handle_capture::{Ending, Recovered, read};
use handle_diagnosis::{Case, Ended, RunSummary, diagnose, write_json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, period] = &arguments[..] else { return Err("look_on FILE PERIOD_MS".into()) };
    let period = Duration::from_millis(period.parse()?);
    let (mut times, mut folded) = (Vec::new(), 0);
    let start = Instant::now();
    let mut next = start;
    loop {
        let begin = Instant::now();
        let recovered = read(path)?;
        if recovered.info.ending != Ending::Running {
            break;
        }
        if !recovered.is_complete() || recovered.snapshot.folded < folded {
            let now = recovered.snapshot.folded;
            return Err(format!("{now} records after {folded}: {:?}", recovered.notes).into());
        }
        folded = recovered.snapshot.folded;
        report(&recovered)?;
        times.push(begin.elapsed());
        // A turn that was missed is not made up for.
        next = (next + period).max(Instant::now());
        thread::sleep(next - Instant::now());
    }
    let seconds = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at =
        |share: usize| times.get(times.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    println!(
        "{} reports in {seconds:.1} s, one every {:.1} ms, none with a loss of its own; one takes {:.1?}, at most {:.1?}",
        times.len(),
        seconds * 1e3 / times.len() as f64,
        at(50),
        at(100)
    );
    Ok(())
}

/// The whole report, to nowhere.
fn report(recovered: &Recovered) -> io::Result<()> {
    let run = RunSummary { guest: "watched".to_owned(), ended: Ended::Interrupted, ..RunSummary::default() };
    let case = Case::new(&recovered.snapshot, &run);
    write_json(&case, &diagnose(&case), io::sink())
}
