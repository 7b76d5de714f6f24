//! What a machine that makes a live run may lack.

/// What this machine lacks for a connection of a live run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalFailure {
    /// File descriptors: the limit of the process or of the system is reached.
    Descriptors,
    /// Ports: every local port for this address is taken.
    Ports,
    /// Memory, or buffers of the kernel.
    Memory,
}

impl LocalFailure {
    /// Every failure.
    pub const ALL: [Self; 3] = [Self::Descriptors, Self::Ports, Self::Memory];

    /// Returns the name in results and in the event log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "local_descriptors",
            Self::Ports => "local_ports",
            Self::Memory => "local_memory",
        }
    }
}
