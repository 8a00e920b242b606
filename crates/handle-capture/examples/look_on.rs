//! Makes reports on a running capture, as a monitor would, and measures what that costs the run: `look_on FILE PERIOD_MS
//! SECONDS`. For half of the seconds it only waits, then it makes a report every period for as long as it was told, then
//! it waits for the other half; how much was folded meanwhile says how fast the drain was. Fails if a report lacks
//! anything. Exit code 2: the run was over before. ci/live-report.sh makes the run.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use handle_capture::{Ending, Recovered, read};
use handle_diagnosis::{Case, Ended, RunSummary, diagnose, write_json};

/// Records folded, and the time that took.
type Progress = (u64, Duration);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, period, seconds] = &arguments[..] else { return Err("look_on FILE PERIOD_MS SECONDS".into()) };
    let period = Duration::from_millis(period.parse()?);
    let seconds = Duration::from_secs(seconds.parse()?);
    let Some(before) = wait(path, seconds / 2)? else { return Ok(ExitCode::from(2)) };
    let Some(watched) = watch(path, period, seconds)? else { return Ok(ExitCode::from(2)) };
    let Some(after) = wait(path, seconds / 2)? else { return Ok(ExitCode::from(2)) };
    let rate = |(records, time): Progress| records as f64 / time.as_secs_f64();
    let (alone, watched) = (rate((before.0 + after.0, before.1 + after.1)), rate(watched));
    println!("records folded a second: alone {alone:.0}, watched {watched:.0}, ratio {:.2}", alone / watched);
    Ok(ExitCode::SUCCESS)
}

/// What the capture holds now; nothing once the run is over.
fn look(path: &str) -> Result<Option<Recovered>, Box<dyn Error>> {
    let recovered = read(path)?;
    if recovered.info.ending != Ending::Running {
        return Ok(None);
    }
    if !recovered.is_complete() {
        return Err(format!("a report on a running capture lacks something: {:?}", recovered.notes).into());
    }
    Ok(Some(recovered))
}

/// Lets the run go on alone.
fn wait(path: &str, time: Duration) -> Result<Option<Progress>, Box<dyn Error>> {
    let Some(before) = look(path)? else { return Ok(None) };
    let begin = Instant::now();
    thread::sleep(time);
    let time = begin.elapsed();
    Ok(look(path)?.map(|after| (after.snapshot.folded - before.snapshot.folded, time)))
}

/// Makes a report every period.
fn watch(path: &str, period: Duration, time: Duration) -> Result<Option<Progress>, Box<dyn Error>> {
    let Some(before) = look(path)? else { return Ok(None) };
    let (begin, mut times, mut folded) = (Instant::now(), Vec::new(), before.snapshot.folded);
    let mut next = begin;
    while begin.elapsed() < time {
        let turn = Instant::now();
        let Some(recovered) = look(path)? else { return Ok(None) };
        if recovered.snapshot.folded < folded {
            return Err(format!("{} records after {folded}", recovered.snapshot.folded).into());
        }
        folded = recovered.snapshot.folded;
        report(&recovered)?;
        times.push(turn.elapsed());
        // A turn that was missed is not made up for.
        next = (next + period).max(Instant::now());
        thread::sleep(next - Instant::now());
    }
    let time = begin.elapsed();
    times.sort_unstable();
    let (count, middle) = (times.len(), times[times.len() / 2]);
    let every = time / count as u32;
    println!(
        "{count} reports in {time:.1?}, one every {every:.1?}; one takes {middle:.1?}; none lacked anything"
    );
    Ok(Some((folded - before.snapshot.folded, time)))
}

/// The whole report, to nowhere.
fn report(recovered: &Recovered) -> io::Result<()> {
    let run = RunSummary { guest: "watched".to_owned(), ended: Ended::Interrupted, ..RunSummary::default() };
    let case = Case::new(&recovered.snapshot, &run);
    write_json(&case, &diagnose(&case), io::sink())
}
