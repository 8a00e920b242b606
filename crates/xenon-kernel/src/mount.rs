//! The guest's paths on the host: `game:\` and `d:\` lead into the mounted directory, and never out of it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::path::{Component, Path, PathBuf};

use crate::config::Mount;
use crate::io::status_of;
use crate::status::Status;

/// What NtCreateFile does with a file that exists, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Supersede,
    Open,
    Create,
    OpenIf,
    Overwrite,
    OverwriteIf,
}

impl Disposition {
    pub(crate) fn from_guest(value: u32) -> Option<Self> {
        use Disposition::{Create, Open, OpenIf, Overwrite, OverwriteIf, Supersede};
        [Supersede, Open, Create, OpenIf, Overwrite, OverwriteIf].get(value as usize).copied()
    }
}

/// The part of `path` below the mount, if it is on it.
fn below_mount(path: &str) -> Option<&str> {
    let (device, rest) = path.split_once(':')?;
    let device = device.trim_start_matches("\\??\\");
    (device.eq_ignore_ascii_case("game") || device.eq_ignore_ascii_case("d")).then_some(rest)
}

/// Opens the guest's `path`. `None` if it is not on the mount: another device, which nobody implements.
pub(crate) fn open(
    mount: Option<&Mount>,
    path: &str,
    disposition: Disposition,
    write: bool,
) -> Option<Result<File, Status>> {
    let mount = mount?;
    let below = below_mount(path)?;
    Some(open_below(mount, below, disposition, write))
}

fn open_below(mount: &Mount, below: &str, disposition: Disposition, write: bool) -> Result<File, Status> {
    let disposition = match disposition {
        // A file that is there is opened, also where none can be made.
        Disposition::OpenIf if !mount.writable => Disposition::Open,
        other => other,
    };
    let changes = write || disposition != Disposition::Open;
    if changes && !mount.writable {
        return Err(Status::ACCESS_DENIED);
    }
    let root = mount.directory.canonicalize().map_err(|error| status_of(error.kind()))?;
    let path = host_path(&root, below)?;
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        // To open a pipe would wait for whoever is at its other end.
        return Err(Status::ACCESS_DENIED);
    }
    let mut options = OpenOptions::new();
    options.read(true).write(changes);
    match disposition {
        Disposition::Open => {}
        Disposition::Create => {
            options.create_new(true);
        }
        Disposition::OpenIf => {
            options.create(true);
        }
        Disposition::Overwrite => {
            options.truncate(true);
        }
        Disposition::Supersede | Disposition::OverwriteIf => {
            options.create(true).truncate(true);
        }
    }
    options.open(path).map_err(|error| status_of(error.kind()))
}

/// The host's path, refused if it could leave `root`: by its words, or through a link on the way.
fn host_path(root: &Path, below: &str) -> Result<PathBuf, Status> {
    let relative: PathBuf = below.split(['\\', '/']).filter(|part| !part.is_empty()).collect();
    let stays = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !stays || below.contains('\0') {
        return Err(Status::ACCESS_DENIED);
    }
    let path = relative.components().fold(root.to_owned(), |path, part| entry(path, part.as_os_str()));
    // A link that leads nowhere yet is there all the same: to make a file through it would make it elsewhere.
    let existing = path.ancestors().find(|part| part.symlink_metadata().is_ok());
    match existing.and_then(|part| part.canonicalize().ok()) {
        Some(existing) if existing.starts_with(root) => Ok(path),
        _ => Err(Status::ACCESS_DENIED),
    }
}

/// `name` in `directory`: as it stands there, else the first entry that differs in case alone, as the console's file
/// system does not tell cases apart.
fn entry(directory: PathBuf, name: &OsStr) -> PathBuf {
    let exact = directory.join(name);
    if exact.symlink_metadata().is_ok() {
        return exact;
    }
    let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
    let same = entries.filter(|entry| entry.file_name().eq_ignore_ascii_case(name));
    same.map(|entry| entry.path()).min().unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    fn mount(writable: bool) -> (tempfile::TempDir, Mount) {
        let outside = tempfile::tempdir().expect("a temporary directory");
        let directory = outside.path().join("disc");
        fs::create_dir_all(directory.join("maps")).expect("a directory");
        fs::write(directory.join("maps/one.dat"), "one").expect("a file");
        fs::write(outside.path().join("secret"), "secret").expect("a file");
        (outside, Mount { directory, writable })
    }

    fn status(result: Option<Result<File, Status>>) -> Option<Result<(), Status>> {
        result.map(|result| result.map(drop))
    }

    #[test]
    fn reads_what_is_on_the_mount() {
        let (_outside, mount) = mount(false);
        for path in
            ["game:\\maps\\one.dat", "GAME:/maps/one.dat", "\\??\\D:\\maps\\one.dat", "game:\\Maps\\ONE.dat"]
        {
            let file = open(Some(&mount), path, Disposition::Open, false).expect("it is on the mount");
            let mut text = String::new();
            file.expect("it exists").read_to_string(&mut text).expect("it can be read");
            assert_eq!(text, "one", "{path}");
        }
        let missing = open(Some(&mount), "game:\\two.dat", Disposition::Open, false);
        assert_eq!(status(missing), Some(Err(Status::OBJECT_NAME_NOT_FOUND)));
    }

    #[test]
    fn other_devices_are_not_on_it() {
        let (_outside, mount) = mount(false);
        for path in ["\\Device\\Cdrom0\\default.xex", "cache:\\x", "game", ""] {
            assert!(open(Some(&mount), path, Disposition::Open, false).is_none(), "{path}");
        }
        assert!(open(None, "game:\\maps\\one.dat", Disposition::Open, false).is_none());
    }

    #[test]
    fn nothing_leads_out_of_it() {
        let (outside, mount) = mount(true);
        let mut paths = vec!["game:\\..\\secret", "game:\\maps\\..\\..\\secret", "game:\\maps", "game:\\"];
        #[cfg(unix)]
        for (link, target) in [("link", "../secret"), ("new", "../made"), ("up", "..")] {
            std::os::unix::fs::symlink(target, mount.directory.join(link)).expect("a link");
            paths.extend(["game:\\link", "game:\\new", "game:\\up\\made", "game:\\UP\\secret"]);
        }
        for path in paths {
            for (disposition, write) in [(Disposition::Open, false), (Disposition::OpenIf, true)] {
                let refused = open(Some(&mount), path, disposition, write);
                assert_eq!(status(refused), Some(Err(Status::ACCESS_DENIED)), "{path}");
            }
        }
        assert!(!outside.path().join("made").exists(), "nothing was made there either");
    }

    #[test]
    fn writing_needs_a_writable_mount() {
        let (_outside, read_only) = mount(false);
        for (disposition, write) in [(Disposition::Open, true), (Disposition::Create, false)] {
            let refused = open(Some(&read_only), "game:\\new", disposition, write);
            assert_eq!(status(refused), Some(Err(Status::ACCESS_DENIED)));
        }
        let there = open(Some(&read_only), "game:\\maps\\one.dat", Disposition::OpenIf, false);
        assert_eq!(status(there), Some(Ok(())), "it need not be made");
        let missing = open(Some(&read_only), "game:\\new", Disposition::OpenIf, false);
        assert_eq!(status(missing), Some(Err(Status::OBJECT_NAME_NOT_FOUND)), "and is not");
        let (_outside, writable) = mount(true);
        let made = open(Some(&writable), "game:\\new", Disposition::Create, true);
        assert_eq!(status(made), Some(Ok(())));
        let again = open(Some(&writable), "game:\\new", Disposition::Create, true);
        assert_eq!(status(again), Some(Err(Status::OBJECT_NAME_COLLISION)));
    }
}
