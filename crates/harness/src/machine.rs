//! One run at a time on a machine: two that measure at once are each other's noise.

use std::env;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::terminal::complain;

/// The environment variable that names another lock file. Runs that name different ones do not see one another.
const VARIABLE: &str = "HEAPMARK_LOCK";

/// The lock file, and the folders that all users and all checkouts of a machine share. The first that works is taken.
const NAME: &str = "heapmark.lock";
const PLACES: [&str; 3] = ["/dev/shm", "/run/lock", "/tmp"];

/// How often a run that waits looks.
const LOOK: Duration = Duration::from_millis(200);

/// Everybody may look at the lock file. Locking it takes no more.
const MODE: u32 = 0o644;

/// Makes this run the one that measures on this machine, as long as the file that is returned is open. While another
/// run does, it waits, or else goes on without the lock and says so. It also goes on without where there can be
/// none, and when the run is being ended.
pub(crate) fn hold(wait: bool, interrupted: &AtomicBool) -> Option<File> {
    let (path, file) = match open() {
        Ok(opened) => opened,
        Err((path, error)) => {
            complain(&format!(
                "warning: cannot tell whether another run is measuring on this machine: failed to open {}: \
                 {error}; {VARIABLE} names another file",
                path.display()
            ));
            return None;
        }
    };
    let mut has_waited = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if !wait => {
                complain(&format!(
                    "warning: another run{} is measuring on this machine; the figures of both will be noisy",
                    holder(&file)
                ));
                return None;
            }
            Err(TryLockError::WouldBlock) => {
                if !has_waited {
                    complain(&format!(
                        "Another run{} is measuring on this machine and holds {}; waiting for its end. Ctrl-C gives \
                         up, --no-wait measures beside it.",
                        holder(&file),
                        path.display()
                    ));
                }
                has_waited = true;
                if interrupted.load(Ordering::Relaxed) {
                    return None;
                }
                thread::sleep(LOOK);
            }
            Err(TryLockError::Error(error)) => {
                complain(&format!("warning: failed to lock {}: {error}", path.display()));
                return None;
            }
        }
    }
}

/// The lock file, and where it is.
fn open() -> Result<(PathBuf, File), (PathBuf, io::Error)> {
    let named = env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    let paths =
        named.map_or_else(|| PLACES.map(|it| Path::new(it).join(NAME)).into(), |it| vec![it]);
    let mut failure = None;
    for path in paths {
        match open_at(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) => failure = Some((path, error)),
        }
    }
    Err(failure.expect("there is a place to try"))
}

fn open_at(path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(file) => {
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // A pipe that somebody put there would keep this waiting.
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            // Not for writing: in these folders the system refuses that for the files of other users.
            File::open(path)
        }
        Err(error) => Err(error),
    }
}

/// The process that holds `file`, as far as the system tells: " (process 123)".
fn holder(file: &File) -> String {
    let Ok(inode) = file.metadata().map(|metadata| metadata.ino()) else { return String::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    holder_of(inode, &locks).map(|process| format!(" (process {process})")).unwrap_or_default()
}

/// Who holds the file `inode` by the text of `/proc/locks`. Source: `man 5 proc_locks`.
fn holder_of(inode: u64, locks: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, "FLOCK", _, _, process, file, ..] = &fields[..] else { return None };
        let is_it = file.rsplit(':').next()?.parse() == Ok(inode);
        // 0 is a process that this one cannot see, in another container.
        if is_it { process.parse().ok().filter(|&process| process > 0) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_told_by_the_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 12 00:19:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4711 00:19:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 13 00:19:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 0 00:19:78 0 EOF\n";
        assert_eq!(holder_of(77, locks), Some(4711));
        assert_eq!(holder_of(78, locks), None);
        assert_eq!(holder_of(7, locks), None);
    }

    #[test]
    fn what_is_no_file_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open_at(folder.path()).unwrap_err().to_string().contains("no file"));
        let path = folder.path().join("lock");
        let first = open_at(&path).unwrap();
        assert_eq!(first.metadata().unwrap().mode() & 0o777, MODE);
        first.try_lock().unwrap();
        assert!(matches!(open_at(&path).unwrap().try_lock(), Err(TryLockError::WouldBlock)));
    }
}
