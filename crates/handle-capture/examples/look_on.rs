//! Makes a report on a running capture again and again, as a monitor would: `look_on FILE PERIOD_MS SECONDS`. Prints how
//! many reports there were and how long one took. ci/live-report.sh measures what that costs the run.

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use handle_capture::{Ending, read};
use handle_diagnosis::{Case, Ended, RunSummary, diagnose, write_json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, period, seconds] = &arguments[..] else { return Err("look_on FILE PERIOD_MS SECONDS".into()) };
    let period = Duration::from_millis(period.parse()?);
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let run = RunSummary { guest: "watched".to_owned(), ended: Ended::Interrupted, ..RunSummary::default() };
    let (mut times, mut folded, mut late) = (Vec::new(), 0, 0);
    let mut next = Instant::now();
    while next < end {
        let begin = Instant::now();
        let recovered = read(path)?;
        if recovered.info.ending != Ending::Running {
            return Err(
                format!("the run is over after {} reports: {}", times.len(), recovered.info.ending).into()
            );
        }
        if !recovered.is_complete() || recovered.snapshot.folded < folded {
            return Err(format!(
                "{} after {folded} records: {:?}",
                recovered.snapshot.folded, recovered.notes
            )
            .into());
        }
        folded = recovered.snapshot.folded;
        let case = Case::new(&recovered.snapshot, &run);
        write_json(&case, &diagnose(&case), io::sink())?;
        times.push(begin.elapsed());
        next += period;
        match next.checked_duration_since(Instant::now()) {
            Some(rest) => thread::sleep(rest),
            None => late += 1,
        }
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{} reports, {late} later than their turn; one takes {:?}, at most {:?}",
        times.len(),
        at(50),
        at(100)
    );
    Ok(())
}
