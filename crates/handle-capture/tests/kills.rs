//! SIGKILL at random moments: every record that was acknowledged is read back, once, as it was written.
//!
//! `KILLS=500 cargo test --release -p handle-capture --test kills` kills five hundred processes.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use handle_audit::{
    AuditConfig, Frame, HandleAudit, HandleAuditEntry, HandleKind, Operation, Recorder, label,
};
use handle_capture::{CaptureOptions, CaptureWriter, Ending, Event, read_with};
use host_os::{SharedMapping, reserve};

const RINGS: usize = 6;

/// The directory of the child's files and that of its rings, with a colon between.
const VARIABLE: &str = "HANDLE_CAPTURE_TEST_KILLS";

/// The handle that all rings signal, in turn, under a lock.
const SHARED: u32 = 0xF000;

fn mapped(path: &Path) -> Arc<SharedMapping> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap();
    reserve(&file, 4096).unwrap();
    Arc::new(SharedMapping::new(&file, 4096).unwrap())
}

fn aux_of(ring: u64, number: u64) -> u64 {
    (number << 8 | ring).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Not a test by itself: what the killed processes run.
#[test]
fn child() {
    let Ok(task) = std::env::var(VARIABLE) else { return };
    let (directory, rings) = task.split_once(':').unwrap();
    let mut options = CaptureOptions::new(Path::new(directory).join("run.htrail"));
    options = options.rings(RINGS).ring_capacity(1024).max_bytes(6 << 20);
    if !rings.is_empty() {
        options = options.rings_in(rings);
    }
    let (_writer, capture) = CaptureWriter::create(&options).unwrap();
    let audit =
        HandleAudit::with_capture(AuditConfig::default().rings(RINGS).enabled(true), capture).unwrap();
    let witness = mapped(&Path::new(directory).join("witness"));
    let turn = Mutex::new(0);
    std::thread::scope(|scope| {
        for ring in 0..RINGS {
            let recorder = audit.claim(ring).unwrap();
            let (witness, turn) = (&witness, &turn);
            scope.spawn(move || produce(ring as u64, recorder, witness, turn));
        }
    });
}

/// Records for ever, and says after each record how many there were.
fn produce(ring: u64, mut recorder: Recorder, witness: &SharedMapping, turn: &Mutex<u64>) {
    let acknowledged: &AtomicU64 = &witness.words().unwrap()[8 * ring as usize];
    let frames = [Frame { frame: 0x7000_0000, lr: ring as u32 }; 7];
    for number in 0.. {
        let entry =
            HandleAuditEntry::new(number, ring as u32 + 1, 0, label!("NtSetEvent"), aux_of(ring, number));
        let handle = 0x1000 * (ring as u32 + 1) + number as u32 % 64 * 4;
        match number % 64 {
            0..8 => recorder.record_create_with_stack(handle, HandleKind::EVENT_AUTO, entry, &frames),
            8 => {
                let mut turn = turn.lock().unwrap();
                *turn += 1;
                recorder.record_signal(SHARED, HandleAuditEntry { lr: *turn as u32, ..entry });
            }
            _ => recorder.record_signal(handle, entry),
        }
        acknowledged.store(number + 1, Ordering::Release);
        if number % 256 == 255 {
            std::thread::yield_now();
        }
    }
}

fn spawn(directory: &Path, rings: Option<&Path>) -> Child {
    let rings = rings.map_or(String::new(), |rings| rings.display().to_string());
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--test-threads=1"])
        .env(VARIABLE, format!("{}:{rings}", directory.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a child, kills it when it has recorded for `moment`, and returns what it acknowledged.
fn kill_one(directory: &Path, rings: Option<&Path>, moment: Duration) -> [u64; RINGS] {
    let witness = mapped(&directory.join("witness"));
    let words = witness.words().unwrap();
    words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    let mut child = spawn(directory, rings);
    let patience = Instant::now() + Duration::from_secs(60);
    while words[0].load(Ordering::Acquire) == 0 {
        assert!(Instant::now() < patience, "the child does not begin");
        std::thread::yield_now();
    }
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    std::array::from_fn(|ring| words[8 * ring].load(Ordering::Acquire))
}

/// What a capture gives of one ring.
#[derive(Default)]
struct Ring {
    numbers: HashMap<u64, u64>,
}

fn check(path: &Path, acknowledged: &[u64; RINGS]) -> u64 {
    let mut rings: [Ring; RINGS] = Default::default();
    let mut turn = 0;
    let recovered = read_with(path, |event| {
        let Event::Record(record) = event else { return };
        let (ring, number) = (u64::from(record.ring), record.entry.cycle);
        assert_eq!(record.entry.aux, aux_of(ring, number), "{record:?}");
        assert_eq!(record.entry.source.as_str(), "NtSetEvent");
        assert!(record.stack.iter().all(|frame| frame.lr == u32::from(record.ring)), "{record:?}");
        let twice = rings[usize::from(record.ring)].numbers.insert(number, record.position);
        assert_eq!(twice, None, "a record came twice: {record:?}");
        if record.handle == SHARED {
            assert!(record.entry.lr > turn, "order: {turn} before {record:?}");
            turn = record.entry.lr;
        }
    });
    let recovered = recovered.unwrap();
    assert!(recovered.is_complete(), "{:?}", recovered.notes);
    assert_eq!(recovered.info.ending, Ending::Killed);
    let mut total = 0;
    for (ring, acknowledged) in acknowledged.iter().enumerate() {
        let account = &recovered.snapshot.losses.rings[ring];
        // One attempt can have been made and not acknowledged.
        let attempted = account.attempted();
        assert!(
            (*acknowledged..=acknowledged + 1).contains(&attempted),
            "ring {ring}: {attempted} of {acknowledged}"
        );
        if recovered.info.segments_kept == recovered.info.segments_written {
            assert_eq!(rings[ring].numbers.len() as u64, account.recorded());
        }
        let mut positions: Vec<_> =
            rings[ring].numbers.iter().map(|(number, position)| (*position, *number)).collect();
        positions.sort_unstable();
        assert!(positions.is_sorted_by_key(|(_, number)| *number), "in the order in which they were made");
        total += account.folded.get(Operation::Signal) + account.folded.get(Operation::Create);
    }
    total
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    let kills: u64 = std::env::var("KILLS").map_or(30, |text| text.parse().unwrap());
    let on_disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shared_memory = Path::new("/dev/shm");
    let in_memory =
        if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
    let in_memory = in_memory.unwrap();
    let places: [(&Path, Option<PathBuf>); 3] = [
        (on_disk.path(), None),
        (in_memory.path(), None),
        (on_disk.path(), Some(in_memory.path().to_owned())),
    ];
    let mut total = 0;
    for kill in 0..kills {
        let (directory, rings) = &places[(kill % 3) as usize];
        // The moment is drawn, not waited for: from at once to 30 ms of recording.
        let moment = Duration::from_micros(kill * 7_919 % 30_000);
        let acknowledged = kill_one(directory, rings.as_deref(), moment);
        total += check(&directory.join("run.htrail"), &acknowledged);
        // A killed process cannot remove the file with its rings.
        for file in rings.iter().flat_map(|rings| std::fs::read_dir(rings).unwrap()) {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rings") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    println!("{kills} kills, {total} records read");
    assert!(total > kills * 100, "the processes had time to record");
}
