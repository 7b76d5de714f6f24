//! The server's process: started on a core of its own, watched through `/proc`, and ended with its input.

use crate::measured::{memory_kib, seconds_on_core};
use anyhow::Context;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// The core of the servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Core(usize);

impl Core {
    /// Keeps this thread to one core, and returns another for the servers.
    #[cfg(target_os = "linux")]
    pub(crate) fn beside_the_client() -> anyhow::Result<Self> {
        use rustix::thread::{CpuSet, sched_getaffinity};

        let ours = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| ours.is_set(*core)).map(Self);
        let (server, client) = cores.next().zip(cores.next()).context("there is one core")?;
        client.keep(None)?;
        Ok(server)
    }

    /// Keeps a server to it.
    #[cfg(target_os = "linux")]
    fn take(self, child: &Child) -> anyhow::Result<()> {
        self.keep(Some(rustix::thread::Pid::from_child(child)))
    }

    #[cfg(target_os = "linux")]
    fn keep(self, thread: Option<rustix::thread::Pid>) -> anyhow::Result<()> {
        let mut one = rustix::thread::CpuSet::new();
        one.set(self.0);
        Ok(rustix::thread::sched_setaffinity(thread, &one)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn beside_the_client() -> anyhow::Result<Self> {
        anyhow::bail!("cores are chosen on Linux alone")
    }

    #[cfg(not(target_os = "linux"))]
    fn take(self, _: &Child) -> anyhow::Result<()> {
        anyhow::bail!("core {} cannot be chosen", self.0)
    }
}

/// A server in a process of its own; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts this very program as a server, on a core of its own where there is one.
    pub(crate) fn start(arguments: &[&str], core: Option<Core>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        core.map_or(Ok(()), |core| core.take(&child))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("{command:?} said {line:?}"))?;
        Ok(Self { child, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long its one thread has been on a core; `None` where the system has no `/proc`.
    pub(crate) fn seconds_on_core(&self) -> Option<f64> {
        seconds_on_core(&self.child.id().to_string())
    }

    /// Its memory in MiB, now and at its peak; `None` where the system has no `/proc`.
    pub(crate) fn memory_mib(&self) -> Option<[f64; 2]> {
        let process = self.child.id().to_string();
        let mib = |size| Some(memory_kib(&process, size)? as f64 / 1024.0);
        Some([mib("VmRSS")?, mib("VmHWM")?])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waiting closes its input first. It was started here, so there is somebody to wait for.
        let _status = self.child.wait();
    }
}
