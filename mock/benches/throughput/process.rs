//! The process of a server: pinned to the core for servers if one is reserved, measured through `/proc`, and stopped by
//! closing its input.

use crate::measured::{memory_kib, seconds_on_core};
use anyhow::Context;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A CPU core to which a thread can be pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Core(usize);

impl Core {
    /// Pins this thread, the client, to one core, and returns another for the servers.
    ///
    /// # Errors
    /// If fewer than two cores are available, if pinning fails, or if the system is not Linux.
    #[cfg(target_os = "linux")]
    pub(crate) fn reserve_for_server() -> anyhow::Result<Self> {
        use rustix::thread::{CpuSet, sched_getaffinity};

        let available = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| available.is_set(*core)).map(Self);
        let (server, client) = cores.next().zip(cores.next()).context("only one core")?;
        client.pin(None)?;
        Ok(server)
    }

    /// Pins a server to this core.
    #[cfg(target_os = "linux")]
    fn pin_child(self, child: &Child) -> anyhow::Result<()> {
        self.pin(Some(rustix::thread::Pid::from_child(child)))
    }

    #[cfg(target_os = "linux")]
    fn pin(self, thread: Option<rustix::thread::Pid>) -> anyhow::Result<()> {
        let mut set = rustix::thread::CpuSet::new();
        set.set(self.0);
        Ok(rustix::thread::sched_setaffinity(thread, &set)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn reserve_for_server() -> anyhow::Result<Self> {
        anyhow::bail!("pinning is supported on Linux only")
    }

    #[cfg(not(target_os = "linux"))]
    fn pin_child(self, _: &Child) -> anyhow::Result<()> {
        anyhow::bail!("core {} cannot be used", self.0)
    }
}

/// A server in its own process, which ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts this executable as a server, pinned to a core if there is one.
    pub(crate) fn start(arguments: &[&str], core: Option<Core>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        core.map_or(Ok(()), |core| core.pin_child(&child))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("{command:?} printed {line:?}"))?;
        Ok(Self { child, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the CPU time of its thread in seconds; `None` if the system has no `/proc`.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        seconds_on_core(&self.child.id().to_string())
    }

    /// Returns the resident memory and its peak in MiB; `None` if the system has no `/proc`.
    pub(crate) fn memory_mib(&self) -> Option<[f64; 2]> {
        let process = self.child.id().to_string();
        let mib = |size| Some(memory_kib(&process, size)? as f64 / 1024.0);
        Some([mib("VmRSS")?, mib("VmHWM")?])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `wait` first closes the input of the child, which stops the server.
        let _status = self.child.wait();
    }
}
