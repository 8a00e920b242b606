//! Where captures go, what they replace, and what becomes of one whose file is taken away.

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{captured, play, recorders};
use handle_capture::{CaptureError, CaptureOptions, CaptureWriter, read, write_whole};

fn options(path: &Path) -> CaptureOptions {
    CaptureOptions::new(path).rings(common::RINGS).ring_capacity(256).max_bytes(8 << 20)
}

/// A capture whose process was killed, as far as one can tell from the file.
fn abandoned(options: &CaptureOptions) {
    let (audit, writer) = captured(options);
    play(&audit, &mut recorders(&audit), 0..2_000);
    drop((audit, writer));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is no file, and nobody else's.
fn pipe(directory: &Path) -> PathBuf {
    let pipe = directory.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

#[test]
fn a_capture_replaces_one_that_was_there_and_its_orphaned_rings() {
    let directory = tempfile::tempdir().unwrap();
    let rings = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    abandoned(&options(&path).rings_in(rings.path()));
    let first = read(&path).unwrap().info;
    assert_eq!(names(rings.path()).len(), 1);
    assert_eq!(first.rings_at.unwrap(), rings.path().join(&names(rings.path())[0]));
    abandoned(&options(&path));
    assert_ne!(read(&path).unwrap().info.id, first.id);
    assert_eq!(names(rings.path()), [""; 0]);
    assert_eq!(names(directory.path()), ["run.htrail"]);
}

#[test]
fn what_killed_processes_left_unfinished_is_removed_and_what_is_being_written_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let [left, held] = [".run.htrail.0123abcd.part", ".run.htrail.4567cdef.part"];
    // Eight digits, no more, no less, and nothing else.
    let foreign = [".run.htrail.0123abc.part", ".run.htrail.draft___.part"];
    for name in [left, held, foreign[0], foreign[1]] {
        fs::write(directory.path().join(name), "half").unwrap();
    }
    let writing = fs::File::open(directory.path().join(held)).unwrap();
    writing.try_lock().unwrap();
    abandoned(&options(&path));
    assert_eq!(names(directory.path()), [foreign[0], held, foreign[1], "run.htrail"]);
    drop(writing);
    write_whole(&path, |to| to.write_all(b"an export")).unwrap();
    assert_eq!(names(directory.path()), [foreign[0], foreign[1], "run.htrail"]);
}

#[test]
fn of_several_that_start_at_once_all_but_one_are_told_at_their_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    // Where nothing was, and where a capture is to be replaced.
    for _ in 0..10 {
        let barrier = std::sync::Barrier::new(4);
        let start = || {
            barrier.wait();
            CaptureWriter::create(&options(&path))
        };
        let started: Vec<_> = std::thread::scope(|scope| {
            let all = [(); 4].map(|()| scope.spawn(start));
            all.map(|one| one.join().unwrap()).into_iter().collect()
        });
        let refused = started.iter().filter_map(|started| started.as_ref().err());
        assert!(refused.clone().all(|error| matches!(error, CaptureError::NotReplaced { .. })));
        assert_eq!(refused.count(), 3);
        assert_eq!(names(directory.path()), ["run.htrail"]);
    }
}

#[test]
fn what_is_attached_from_the_beginning_has_its_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let large = vec![b's'; 20 << 20];
    // It counts: with so much of it the capture is too small, and nothing is touched.
    fs::write(&path, "").unwrap();
    let error = CaptureWriter::create(&options(&path).attach("symbols.json", large.clone())).unwrap_err();
    assert!(matches!(error, CaptureError::TooSmall { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"");
    let (audit, writer) = captured(&options(&path).max_bytes(32 << 20).attach("symbols.json", large.clone()));
    writer.attach("run.json", &[b'r'; 3 << 20]).unwrap();
    play(&audit, &mut recorders(&audit), 0..2_000);
    drop((audit, writer));
    let recovered = read(&path).unwrap();
    assert!(recovered.is_complete(), "{:?}", recovered.notes);
    assert!(recovered.attachments["symbols.json"] == large);
    assert_eq!(recovered.attachments["run.json"].len(), 3 << 20);
}

#[test]
fn what_is_no_capture_is_not_replaced() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = directory.path().join("thesis.txt");
    fs::write(&path, "ten years of work").unwrap();
    let pipe = pipe(elsewhere.path());
    for path in [&path, directory.path(), &pipe] {
        let error = CaptureWriter::create(&options(path)).unwrap_err();
        assert!(matches!(error, CaptureError::NotReplaced { .. }), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"ten years of work");
    assert_eq!(names(directory.path()), ["thesis.txt"]);
    fs::write(&path, "").unwrap();
    abandoned(&options(&path));
    assert!(read(&path).unwrap().is_complete(), "an empty file is as good as none");
}

#[test]
fn a_link_leads_to_the_file_that_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("run.htrail"), directory.path().join("newest"));
    abandoned(&options(&path));
    symlink(&path, &link).unwrap();
    let first = read(&link).unwrap().info.id;
    abandoned(&options(&link));
    assert_ne!(read(&path).unwrap().info.id, first);
    write_whole(&link, |to| to.write_all(b"text")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"text");
    assert!(link.is_symlink());
    fs::remove_file(&path).unwrap();
    write_whole(&link, |to| to.write_all(b"new")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(link.is_symlink(), "a link to nothing is followed too");
}

#[test]
fn a_capture_that_cannot_have_its_space_leaves_everything_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    abandoned(&options(&path));
    let before = fs::read(&path).unwrap();
    // 2^39 bytes of segments: more than any disk here has left.
    let error = CaptureWriter::create(&options(&path).max_bytes(1 << 39)).unwrap_err();
    let CaptureError::Io { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");
    assert!(fs::read(&path).unwrap() == before);
    let nowhere = CaptureWriter::create(&options(&path).rings_in("/nowhere"));
    assert!(matches!(nowhere.unwrap_err(), CaptureError::Io { .. }));
    assert_eq!(names(directory.path()), ["run.htrail"]);
}

#[test]
fn what_is_no_file_is_written_to_and_stays_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = pipe(directory.path());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    write_whole(&pipe, |to| to.write_all(b"through it")).unwrap();
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), b"through it");
}

#[test]
fn a_file_that_is_cut_short_under_its_writer_ends_the_capture_and_not_the_audit() {
    let directory = tempfile::tempdir().unwrap();
    // Length, whether the rings have a file of their own, and whether that is the one.
    for (length, elsewhere, of_rings) in
        [(0, false, false), (4096, false, false), (3 << 20, false, false), (0, true, false), (0, true, true)]
    {
        let path = directory.path().join(format!("{length}-{elsewhere}-{of_rings}.htrail"));
        let options = if elsewhere { options(&path).rings_in(directory.path()) } else { options(&path) };
        let (audit, writer) = captured(&options);
        writer.note_crashes().unwrap();
        let mut recorders = recorders(&audit);
        play(&audit, &mut recorders, 0..1_000);
        audit.flush().unwrap();
        play(&audit, &mut recorders, 1_000..1_100);
        let cut = if of_rings { read(&path).unwrap().info.rings_at.unwrap() } else { path };
        fs::File::options().write(true).open(cut).unwrap().set_len(length).unwrap();
        play(&audit, &mut recorders, 1_100..3_000);
        audit.shutdown().unwrap();
        let snapshot = audit.snapshot().unwrap();
        assert!(snapshot.folded > 500, "{length}: the audit goes on");
        // Lines that were published and not taken went with the file.
        let lost_lines = of_rings || length < 8192 && !elsewhere;
        assert_eq!(!snapshot.losses.holes().is_empty(), lost_lines, "{length}");
        let error = writer.finish().unwrap_err();
        assert!(error.to_string().contains("cut the file short"), "{error}");
    }
}

/// A file of rings is known by its header or by the first ring.
#[test]
fn rings_elsewhere_are_found_by_what_is_left_of_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    abandoned(&options(&path).rings_in(directory.path()));
    let rings = read(&path).unwrap().info.rings_at.unwrap();
    let whole = fs::read(&rings).unwrap();
    for (damaged, found) in [(&[0][..], true), (&[8192], true), (&[0, 8192], false)] {
        let mut bytes = whole.clone();
        damaged.iter().for_each(|at| bytes[*at] ^= 1);
        fs::write(&rings, bytes).unwrap();
        assert_eq!(read(&path).unwrap().info.rings_at.is_some(), found, "{damaged:?}");
    }
}

/// The header has room for a path of 1 024 bytes, whose random part and ending take 23.
#[test]
fn the_rings_file_has_a_path_that_fits_the_header_or_the_capture_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let rest = 1024 - directory.path().as_os_str().len() - "/run.htrail.0123456789abcdef.rings".len();
    let mut names = vec!["d".repeat(199); rest / 200];
    names.push("d".repeat(rest % 200 - 1));
    let deep: PathBuf = names.into_iter().fold(directory.path().to_owned(), |path, name| path.join(name));
    for (deep, fits) in [(deep.clone(), true), (deep.with_file_name("e".repeat(rest % 200)), false)] {
        fs::create_dir_all(&deep).unwrap();
        let options = options(&path).rings_in(&deep);
        if fits {
            abandoned(&options);
            let at = read(&path).unwrap().info.rings_at.unwrap();
            assert_eq!((at.as_os_str().len(), at.parent()), (1024, Some(&*deep)));
            fs::remove_file(&path).unwrap();
        } else {
            let error = CaptureWriter::create(&options).unwrap_err();
            assert!(error.to_string().contains("the path of the rings' file is too long"), "{error}");
            assert!(!path.exists());
            assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_place_in_a_file_is_told_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "no directory").unwrap();
    let written = write_whole(&file.join("out"), |to| to.write_all(b"text"));
    let made = CaptureWriter::create(&options(&file.join("run.htrail"))).map(|_| ());
    for refused in [written, made] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(": cannot look at it: "), "{error}");
    }
}

#[test]
fn a_file_that_was_removed_under_its_writer_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.htrail");
    let (audit, writer) = captured(&options(&path));
    play(&audit, &mut recorders(&audit), 0..100);
    fs::remove_file(&path).unwrap();
    audit.shutdown().unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().contains("removed the file"), "{error}");
}
