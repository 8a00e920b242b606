//! Where files go: what a new one may replace, and how it gets there as a whole or not at all.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::CaptureError;
use crate::find;
use crate::read;
use crate::source::Source;

/// The path itself, or what a symbolic link there leads to.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, CaptureError> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        // A link that leads to nothing yet is followed all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.read_link() {
            Ok(target) => resolve(&path.with_file_name("").join(target)),
            Err(_) => Ok(path.to_owned()),
        },
        Err(error) => Err(CaptureError::io(path, "cannot look at it")(error)),
    }
}

/// Whether a new capture may take the place of what is at `path`: nothing, an empty file, or a capture that nobody
/// writes. Returns the rings' file that an earlier capture leaves behind, if its process was killed.
pub(crate) fn may_replace(path: &Path) -> Result<Option<PathBuf>, CaptureError> {
    let refused = |reason| CaptureError::NotReplaced { path: path.to_owned(), reason };
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaptureError::io(path, "cannot look at it")(error)),
        Ok(there) if !there.is_file() => return Err(refused("it is no file")),
        Ok(there) if there.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let source = read::open(path)?;
    match find::geometry(&source) {
        _ if source.is_written() => Err(refused("another process writes it")),
        Ok(found) => Ok(read::rings_file(&source, &found.geometry).ok().flatten().map(|(path, _)| path)),
        Err(CaptureError::UnknownVersion { .. }) => Ok(None),
        Err(_) => Err(refused("it is no capture, and may be dear to somebody")),
    }
}

/// The right to put files into a directory. Of two processes that start at the same moment, the second one finds what
/// the first one made. Where a directory cannot be locked, nobody waits.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "it is locked as long as it is open")] Option<File>);

impl Turn {
    /// Waits for the turn at the directory that `path` is in.
    pub(crate) fn at(path: &Path) -> Self {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new(".")));
        Self(directory.ok().filter(|directory| directory.lock().is_ok()))
    }
}

/// What comes before and after the random part of a name beside `path`, for a file that is not complete.
fn around_part(path: &Path) -> (String, &'static str) {
    (format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy()), ".part")
}

/// Removes the files beside `path` that processes left unfinished when they were killed. Those that are being written
/// are locked.
fn remove_abandoned(path: &Path, _turn: &Turn) {
    let (before, after) = around_part(path);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(&before)?.strip_suffix(after));
        let ours = random.is_some_and(|random| random.len() == 8 && u32::from_str_radix(random, 16).is_ok());
        if ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            // If it stays, it only takes space.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A file that was made here, and is removed again unless it is kept.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    /// What it is called in errors: the path that it is to have.
    pub(crate) name: PathBuf,
    pub(crate) file: File,
    keep: Cell<bool>,
}

impl NewFile {
    pub(crate) fn create(path: PathBuf, name: &Path) -> Result<Self, CaptureError> {
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(CaptureError::io(name, "cannot make the file"))?;
        Ok(Self { path, name: name.to_owned(), file, keep: Cell::new(false) })
    }

    /// Makes a file beside `path` that is not complete yet, locked as long as somebody has it open. The next process may
    /// have the same process id, so its name is random.
    pub(crate) fn beside(path: &Path, turn: &Turn) -> Result<Self, CaptureError> {
        remove_abandoned(path, turn);
        let (before, after) = around_part(path);
        let random = RandomState::new().hash_one(std::process::id()) as u32;
        let part = Self::create(path.with_file_name(format!("{before}{random:08x}{after}")), path)?;
        part.file.try_lock().map_err(|error| CaptureError::io(path, "cannot lock the file")(error.into()))?;
        Ok(part)
    }

    /// Puts the file to its path, as complete as it will be.
    pub(crate) fn put(&self) -> io::Result<()> {
        std::fs::rename(&self.path, &self.name)?;
        self.keep();
        Ok(())
    }

    pub(crate) fn keep(&self) {
        self.keep.set(true);
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.keep.get() {
            // What kept it from being completed is told instead.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes a file as a whole or not at all: under another name first, then renamed. What was there before stays until
/// the new file is complete. What is no file, such as a pipe or a terminal, is written to directly.
///
/// # Errors
///
/// What the operating system or `write` says; nothing is left behind then.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CaptureError> {
    let path = &resolve(path)?;
    let failed = |error| CaptureError::io(path, "cannot write the file")(error);
    if path.metadata().as_ref().is_ok_and(|there: &Metadata| !there.is_file()) {
        let written = File::options().write(true).open(path).and_then(|file| write_to(&file, write));
        return written.map_err(failed);
    }
    let part = NewFile::beside(path, &Turn::at(path))?;
    write_to(&part.file, write).and_then(|()| part.put()).map_err(failed)
}

fn write_to(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error).map(|_| ())
}
