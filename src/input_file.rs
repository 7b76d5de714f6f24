//! Input files, read up to a bound. Devices and named pipes are refused, so that reading neither hangs nor exhausts memory.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// The maximum size of a result, a plan or a baseline, in bytes. The largest file that a scenario of 1 MiB produces is smaller.
pub(crate) const MAX_JSON_BYTES: u64 = 256 << 20;

/// Opens a file that another file names, such as a trace.
///
/// # Errors
/// If it cannot be opened, or is a folder, a device, a pipe or a socket.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    refuse_special(&fs::metadata(path)?)?;
    // The file may have been replaced in between.
    let file = File::open(path)?;
    refuse_special(&file.metadata()?)?;
    Ok(file)
}

/// Reads a file that the command line names, up to `max_bytes` bytes. The path may also name a descriptor that is already open,
/// such as `/dev/stdin` or that of `<(…)`, even of a pipe or a device.
///
/// # Errors
/// If it cannot be read, is larger, or is a folder, or if its own path is that of a device, a named pipe or a socket.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    read_within(open(path)?, max_bytes)
}

/// Reads an open file of at most `max_bytes` bytes.
///
/// # Errors
/// If it cannot be read, or is larger.
pub(crate) fn read_within(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let bytes = start_of(file, max_bytes.saturating_add(1))?;
    if bytes.len() as u64 > max_bytes {
        let text = format!("it is larger than {} MiB", max_bytes >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Reads the first `max_bytes` bytes of a file that the command line names.
///
/// # Errors
/// As [`read`], but a larger file is no error.
pub(crate) fn read_start(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    start_of(open(path)?, max_bytes)
}

/// Opens a file that the command line names, to read it piece by piece.
///
/// # Errors
/// As [`read`], but its size has no bound.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if is_open_descriptor(path) { File::open(path) } else { open_regular(path) }
}

fn start_of(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text file as [`read`] does.
///
/// # Errors
/// As [`read`], or if it is not UTF-8.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    String::from_utf8(read(path, max_bytes)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Returns `true` if `path` names an open descriptor of this process.
pub(crate) fn is_open_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

fn refuse_special(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let text = if metadata.is_dir() {
        "it is a folder"
    } else {
        "it is not a regular file but a device, a pipe or a socket"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_bound() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_start(&path, 4).unwrap(), b"1234");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 5).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn devices_and_folders_are_not_read() {
        for path in ["/dev/zero", "/dev/null", "/"] {
            assert_eq!(read(Path::new(path), 5).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path}");
            assert!(open_regular(Path::new(path)).is_err(), "{path}");
        }
        assert_eq!(read(Path::new("/nowhere"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
