//! The connections of a live run: how many this machine can hold, and why one could not be opened.
//!
//! If the mocks run in the process of the client, a connection takes two file descriptors. If they ran out, the mocks could
//! not accept what the client has connected, and calls would hang as if the provider did. So the client opens no more
//! connections than the descriptors and the mocks allow, and counts an attempt that finds none free as a failure of this
//! machine ([`LocalFailure`]).

pub(super) mod pool;

use crate::event::LocalFailure;
use pool::ConnectionLimit;
use provider::server::MAX_CONNECTIONS;
use std::error::Error;
use std::io;

/// The descriptors that a run needs besides its connections: the standard streams, output files, event loops, and the mocks'
/// ends of connections that have just been closed.
const OTHER_DESCRIPTORS: u64 = 48;
/// The descriptors of a connection to a mock in this process: the client's end and the mock's.
const PER_LOCAL_CONNECTION: u64 = 2;

/// Raises the limit of file descriptors of this process as far as the system allows, and returns the limit from then on;
/// `None` if there is none. Never lowers it.
pub fn raise_descriptor_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        // macOS refuses to set the soft limit to a hard limit that is infinite.
        let open_max = limit.current.map(|current| current.max(MACOS_OPEN_MAX));
        for current in [limit.maximum, open_max] {
            if setrlimit(Resource::Nofile, rustix::process::Rlimit { current, ..limit }).is_ok() {
                return current;
            }
        }
        limit.current
    }
    #[cfg(not(unix))]
    None
}

/// `OPEN_MAX` of macOS.
#[cfg(unix)]
const MACOS_OPEN_MAX: u64 = 10_240;

/// Returns the number of connections that a run may open to `providers` mocks in all, which run in this process or in another one:
/// as many as the descriptors of this process allow, and at most what a mock accepts.
pub(super) fn max_connections(providers: usize, in_process: bool) -> usize {
    #[cfg(unix)]
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let descriptors = None;
    allowed(descriptors, providers, if in_process { PER_LOCAL_CONNECTION } else { 1 })
}

/// Returns the number of connections that a limit of `descriptors` (`None`: no limit) allows, if each connection takes
/// `per_connection` of them and each mock one for its listener: at least 1, and at most [`MAX_CONNECTIONS`], the number
/// that a mock accepts.
fn allowed(descriptors: Option<u64>, providers: usize, per_connection: u64) -> usize {
    let free = descriptors.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS + providers as u64);
    usize::try_from(free / per_connection).unwrap_or(usize::MAX).clamp(1, MAX_CONNECTIONS)
}

/// Returns what this machine lacked if that is why a request was not sent; `None` if the connection failed otherwise.
pub(crate) fn local_failure(error: &(dyn Error + 'static)) -> Option<LocalFailure> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let failure = match error.downcast_ref::<io::Error>() {
            Some(error) => local_io_failure(error),
            None => error.is::<ConnectionLimit>().then_some(LocalFailure::Descriptors),
        };
        if failure.is_some() {
            return failure;
        }
        cause = error.source();
    }
    None
}

fn local_io_failure(error: &io::Error) -> Option<LocalFailure> {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(Errno::MFILE | Errno::NFILE) => return Some(LocalFailure::Descriptors),
            Some(Errno::NOBUFS) => return Some(LocalFailure::Memory),
            _ => {}
        }
    }
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => Some(LocalFailure::Ports),
        io::ErrorKind::OutOfMemory => Some(LocalFailure::Memory),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_bounded_by_the_descriptors_that_a_run_leaves() {
        assert_eq!(allowed(Some(256), 2, 2), (256 - 48 - 2) / 2);
        assert_eq!(allowed(Some(256), 2, 1), 256 - 48 - 2, "the mocks run in another process");
        assert_eq!(allowed(Some(20), 1, 2), 1);
        assert_eq!(allowed(None, 1, 2), MAX_CONNECTIONS);
    }

    #[test]
    fn a_lack_of_this_machine_is_a_local_failure_and_a_refused_connection_is_not() {
        let local = |error: &(dyn Error + 'static)| local_failure(error);
        assert_eq!(local(&ConnectionLimit), Some(LocalFailure::Descriptors));
        assert_eq!(local(&io::Error::from(io::ErrorKind::AddrNotAvailable)), Some(LocalFailure::Ports));
        assert_eq!(local(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_local_failure_is_recognised_by_its_errno() {
        use rustix::io::Errno;
        for (errno, failure) in [
            (Errno::MFILE, LocalFailure::Descriptors),
            (Errno::NFILE, LocalFailure::Descriptors),
            (Errno::ADDRNOTAVAIL, LocalFailure::Ports),
            (Errno::NOMEM, LocalFailure::Memory),
            (Errno::NOBUFS, LocalFailure::Memory),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(local_failure(&error), Some(failure), "{errno}");
        }
    }
}
