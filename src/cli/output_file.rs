//! Files that appear whole or not at all: each is written under a temporary name in its folder and then renamed, so that
//! neither a full disk nor the end of the process leaves half a file or destroys the one that was there.
//!
//! Devices and pipes cannot be replaced; they are written directly.

use super::{VerbError, input_error};
use crate::formatting::path_name;
use anyhow::{Context as _, anyhow};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct OutputFile(Destination);

#[derive(Debug)]
enum Destination {
    /// A temporary file that becomes the one at the path.
    Renamed(NamedTempFile, PathBuf),
    /// A device or a pipe.
    Direct(File),
}

impl OutputFile {
    /// Begins to write the file at `path`.
    ///
    /// # Errors
    /// If no file can be created in its folder, or the file that is there may not be written.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if is_special(path) {
            return Ok(Self(Destination::Direct(OpenOptions::new().write(true).open(path)?)));
        }
        if fs::metadata(path).is_ok_and(|file| file.permissions().readonly()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // A symbolic link stays: the file that it names is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self(Destination::Renamed(temporary(folder)?, path)))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If it cannot be renamed; the file that was there before remains.
    pub(super) fn commit(self) -> io::Result<()> {
        match self.0 {
            Destination::Renamed(file, path) => file.persist(path).map(drop).map_err(|error| error.error),
            Destination::Direct(_) => Ok(()),
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            // Not through the temporary file, whose errors contain its name.
            Destination::Renamed(file, _) => file.as_file_mut().write(bytes),
            Destination::Direct(file) => file.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Destination::Renamed(file, _) => file.as_file_mut().flush(),
            Destination::Direct(file) => file.flush(),
        }
    }
}

/// Writes a file as a whole, without giving it its name yet.
///
/// # Errors
/// If it cannot be created or written; nothing remains of it then.
pub(super) fn stage(path: &Path, content: &str) -> io::Result<OutputFile> {
    let mut file = OutputFile::create(path)?;
    file.write_all(content.as_bytes())?;
    file.flush()?;
    Ok(file)
}

/// The names of temporary files begin and end with these.
const PREFIX: &str = ".quotalab-";
const SUFFIX: &str = ".tmp";

/// Removes the temporary files of processes that were killed: those that no process has locked.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_temporary =
            name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_temporary && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates a temporary file in `folder`, with the permissions of any new file, and removes those of processes that were killed.
///
/// # Errors
/// If the folder cannot be written.
pub(super) fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // the umask applies
    loop {
        let file = builder.tempfile_in(folder).map_err(without_path)?;
        // This fails on a file system without locks, but there no file is taken for an abandoned one.
        let _ = file.as_file().lock();
        // Another process may have removed the file before it was locked.
        if is_in_folder(file.as_file()) {
            return Ok(file);
        }
    }
}

/// Returns `true` if the file still has a name.
fn is_in_folder(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|file| std::os::unix::fs::MetadataExt::nlink(&file) > 0);
    #[cfg(not(unix))]
    true // A file that is open cannot be removed.
}

/// Returns the error of the system without the name of the temporary file, which means nothing to the user.
fn without_path(error: io::Error) -> io::Error {
    let of_system =
        error.get_ref().and_then(Error::source).and_then(|source| source.downcast_ref::<io::Error>());
    of_system.and_then(io::Error::raw_os_error).map_or(error, io::Error::from_raw_os_error)
}

/// An output file and the option that names it.
pub(super) type Output<'a> = (&'static str, &'a Path);

/// Tries to create each output, so that a run is not begun whose result cannot be kept. Devices and pipes are not opened, since
/// that may wait for a reader.
///
/// # Errors
/// Names the first output that cannot be created.
pub(super) fn try_to_create(outputs: &[Output<'_>]) -> Result<(), VerbError> {
    let try_one = |(option, path): &Output<'_>| {
        if is_special(path) && !path.is_dir() {
            return Ok(());
        }
        OutputFile::create(path)
            .map(drop)
            .with_context(|| format!("error: {option} {} cannot be written", path_name(path)))
            .map_err(input_error)
    };
    outputs.iter().try_for_each(try_one)
}

/// Checks that no output would overwrite an input or another output.
///
/// # Errors
/// Names the first output that would.
pub(super) fn refuse_overwriting<'a>(
    inputs: impl IntoIterator<Item = &'a Path>,
    outputs: &[Output<'_>],
) -> Result<(), VerbError> {
    let inputs: Vec<PathBuf> = inputs.into_iter().map(location).collect();
    for (index, (option, path)) in outputs.iter().enumerate() {
        let found = location(path);
        if inputs.contains(&found) {
            return Err(input_error(anyhow!(
                "error: {option} {} would overwrite an input\n  help: choose another file",
                path_name(path)
            )));
        }
        let same = outputs[..index].iter().find(|(_, other)| location(other) == found);
        if let Some((other, _)) = same.filter(|_| !is_special(path)) {
            return Err(input_error(anyhow!(
                "error: {other} and {option} name the same file, {}\n  help: choose another file for one of them",
                path_name(path)
            )));
        }
    }
    Ok(())
}

/// Returns `true` for devices, pipes and folders, and for everything below `/dev` and `/proc`, such as `/dev/stdout`.
fn is_special(path: &Path) -> bool {
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    path.starts_with("/dev") || path.starts_with("/proc") || (path.exists() && !is_file(path))
}

/// Returns where a file is or will be, without links.
fn location(path: &Path) -> PathBuf {
    let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    fs::canonicalize(path).ok().unwrap_or_else(|| {
        let parent =
            path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        let folder = parent.and_then(|parent| fs::canonicalize(parent).ok());
        folder.zip(path.file_name()).map_or_else(absolute, |(folder, name)| folder.join(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a scratch folder")
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = folder();
        let path = folder.path().join("result.json");
        fs::write(&path, "old").unwrap();
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing remains of what is not committed"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_devices_and_permissions_are_respected() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = folder();
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        stage(&path, "1").unwrap().commit().unwrap();
        symlink(&path, &link).unwrap();
        stage(&link, "2").unwrap().commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "readable by the same users as any new file");
        assert!(stage(Path::new("/dev/full"), "x").is_err());
        stage(Path::new("/dev/null"), "x").unwrap().commit().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(OutputFile::create(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn outputs_overwrite_neither_inputs_nor_each_other() {
        let folder = folder();
        let (input, other) = (folder.path().join("a.yaml"), folder.path().join("b"));
        fs::write(&input, "x").unwrap();
        let around = folder.path().join(".").join("a.yaml");
        let refused = |outputs: &[Output<'_>]| refuse_overwriting([input.as_path()], outputs).is_err();
        assert!(refused(&[("--events", &around)]));
        assert!(!refused(&[("--events", &other)]));
        assert!(refused(&[("--junit", &other), ("--markdown", &folder.path().join(".").join("b"))]));
        assert!(!refused(&[("--junit", Path::new("/dev/null")), ("--markdown", Path::new("/dev/null"))]));
    }
}
