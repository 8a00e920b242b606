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

/// A name beside `path` for a file that is not complete. A process that was killed over one leaves it behind, and the
/// next may have the same process id.
pub(crate) fn part(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = RandomState::new().hash_one(std::process::id()) as u32;
    path.with_file_name(format!(".{name}.{random:08x}.part"))
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
    let direct = path.metadata().as_ref().is_ok_and(|there: &Metadata| !there.is_file());
    let target = if direct { path.clone() } else { part(path) };
    let opened = if direct { File::options().write(true).open(&target) } else { File::create_new(&target) };
    let written = opened.and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if direct { Ok(()) } else { std::fs::rename(&target, path) }
    });
    written.map_err(|error| {
        if !direct {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(&target);
        }
        CaptureError::io(path, "cannot write the file")(error)
    })
}
