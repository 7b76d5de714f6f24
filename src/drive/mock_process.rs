//! The providers of a scenario as mocks in a process of their own: what `run --mock-process` sends to, so that client and mocks
//! share no thread.
//!
//! The run starts the same program with `mock SCENARIO --for-run` and talks to it over its standard streams, one line of JSON at a
//! time ([`protocol`]):
//!
//! ```text
//!   run                                             mock process
//!    │ ◀─────────── stdout: the addresses ───────────── │  it has bound its ports
//!    │ ──────────── stdin: Start ─────────────────────▶ │  it starts its clock; the run starts its own with the first report
//!    │ ◀─────────── stdout: Report, Report, … ───────── │  decisions, settlements, and levels at once and every 20 ms
//!    │ ──────────── stdin is closed ──────────────────▶ │  it ends
//! ```
//!
//! A reply states the decision on its attempt as well ([`DECISION_HEADER`](provider::server::DECISION_HEADER)), so that it need not
//! wait for the report, which comes up to two milliseconds later. The report is for attempts whose reply takes long, or never comes.
//!
//! However the run ends, the system closes the pipe, so no mock process outlives its run.

pub mod protocol;
pub mod reports;

use super::live::{LiveProviders, Message};
use crate::event::Event;
use crate::ids::{AttemptId, TargetId};
use crate::record::Fold;
use crate::scenario::{Scenario, Target};
use protocol::{Report, Start};
use provider::Instant;
use provider::meter::LimitLevel;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// A process with a mock for every provider of a scenario. It ends when this is dropped.
#[derive(Debug)]
pub struct MockProcess {
    child: Child,
    /// Closed to end the process; `None` from then on.
    stdin: Option<ChildStdin>,
    /// `None` once the run has started.
    stdout: Option<BufReader<ChildStdout>>,
    addresses: Vec<SocketAddr>,
    targets: Vec<Target>,
    run_tag: u64,
    /// The levels that the process reported last.
    levels: Arc<Mutex<Vec<protocol::Level>>>,
    /// Receives one message when the process has closed its stdout.
    end: Option<Receiver<()>>,
    /// `true` once this is dropped: the end of the process is expected from then on.
    is_over: Arc<AtomicBool>,
}

/// Whether a mock process has ended before its run.
#[derive(Clone, Debug, Default)]
pub struct ProcessEnd(Arc<AtomicBool>);

impl ProcessEnd {
    /// Returns `true` if the mock process has ended while its run went on.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends a run whose mock process has ended.
impl Fold for ProcessEnd {
    fn event(&mut self, _: &Event) {}

    fn is_done(&self) -> bool {
        self.is_set()
    }
}

impl MockProcess {
    /// Starts `program`, the executable of this process, with the verb `mock` and these arguments, and waits until it
    /// listens with `providers` mocks, one for each provider of its scenario.
    ///
    /// # Errors
    /// If the process cannot be started, ends, or does not listen within a minute.
    pub fn spawn(program: &Path, arguments: &[OsString], providers: usize) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("mock").args(arguments).args(["--for-run", "--json", "--listen", "127.0.0.1:0"]);
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C on a terminal reaches the run alone, which ends the process when it has written its result.
            command.process_group(0);
        }
        #[cfg(windows)]
        {
            use std::os::windows::process::CommandExt as _;
            command.creation_flags(CREATE_NEW_PROCESS_GROUP);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut process = Self {
            child,
            stdin,
            stdout: None,
            addresses: Vec::new(),
            targets: Vec::new(),
            run_tag: 0,
            levels: Arc::default(),
            end: None,
            is_over: Arc::default(),
        };
        let stdout = stdout.ok_or_else(|| io::Error::other("it has no stdout"))?;
        let (stdout, line) = first_line(stdout)?;
        process.addresses =
            protocol::addresses(&line).filter(|addresses| addresses.len() == providers).ok_or_else(|| {
                let reason = "it ended before it listened, or its announcement is invalid";
                io::Error::new(io::ErrorKind::InvalidData, reason)
            })?;
        process.stdout = Some(stdout);
        Ok(process)
    }

    /// Starts the mocks for a run of `scenario`, whose truth headers have the tag `run_tag`: they begin with its start levels, and
    /// report through `sender` from then on. Returns when they serve; the caller starts the clock of the run right afterwards.
    ///
    /// The returned [`ProcessEnd`] is set if the process ends before this is dropped.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn start(
        &mut self,
        scenario: &Scenario,
        run_tag: u64,
        sender: UnboundedSender<Message>,
    ) -> io::Result<ProcessEnd> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let stdout = self.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        (self.targets, self.run_tag) = (scenario.targets.clone(), run_tag);
        let (levels, is_over, process_end) =
            (Arc::clone(&self.levels), Arc::clone(&self.is_over), ProcessEnd::default());
        let ((ended, end), (ready, is_ready)) = (mpsc::channel(), mpsc::channel());
        let end_flag = process_end.clone();
        thread::Builder::new().name("mock reports".to_owned()).spawn(move || {
            forward(stdout, &sender, &levels, &ready);
            if !is_over.load(Ordering::Relaxed) {
                end_flag.0.store(true, Ordering::Relaxed);
            }
            // The receiver is gone if the run is over.
            let _ = ended.send(());
        })?;
        self.end = Some(end);
        stdin.write_all(Start::of(&scenario.providers, run_tag).to_line().as_bytes())?;
        stdin.flush()?;
        is_ready.recv_timeout(START_TIMEOUT).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(process_end)
    }
}

/// Reads the first line of a process, in a thread of its own, because a read of a pipe cannot be bounded in time.
fn first_line(stdout: ChildStdout) -> io::Result<(BufReader<ChildStdout>, String)> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("mock start".to_owned()).spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = read_line(&mut stdout, &mut line);
        // The receiver is gone if the start took too long.
        let _ = sender.send(read.map(|_| (stdout, line)));
    })?;
    receiver.recv_timeout(START_TIMEOUT).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Reads a line of at most [`MAX_LINE`] bytes. Returns `false` at the end.
fn read_line(stdout: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    line.clear();
    Ok(stdout.take(MAX_LINE).read_line(line)? > 0)
}

/// Passes the reports of a process on until it ends, or reports something that cannot be read.
fn forward(
    mut stdout: impl BufRead,
    sender: &UnboundedSender<Message>,
    levels: &Mutex<Vec<protocol::Level>>,
    ready: &Sender<()>,
) {
    let mut line = String::new();
    while let Ok(true) = read_line(&mut stdout, &mut line) {
        let message = match Report::from_line(&line) {
            Some(Report::Decided { attempt, decision }) => {
                let Some(decision) = decision.recorded() else { return };
                Message::Decided { attempt: AttemptId(attempt), decision }
            }
            Some(Report::Settled { attempt, usage }) => {
                Message::Settled { attempt: AttemptId(attempt), usage: usage.into() }
            }
            Some(Report::Levels(current)) => {
                *levels.lock().expect("invariant: no thread panics while it holds the levels") = current;
                // Only the start of the run receives it.
                let _ = ready.send(());
                continue;
            }
            None => return,
        };
        // The receiver is gone if the run is over. Reading continues, because returning here would mean that the process
        // has ended.
        let _ = sender.send(message);
    }
}

impl LiveProviders for MockProcess {
    fn address(&self, provider: u16) -> SocketAddr {
        self.addresses[usize::from(provider)]
    }

    fn run_tag(&self) -> u64 {
        self.run_tag
    }

    fn are_in_process(&self) -> bool {
        false
    }

    fn levels(&self, _: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel)) {
        let target = &self.targets[target.index()];
        let levels = self.levels.lock().expect("invariant: no thread panics while it holds the levels");
        let of_target =
            levels.iter().filter(|level| level.is_of(target.provider, target.account, target.model));
        of_target.filter_map(protocol::Level::limit_level).for_each(each);
    }
}

impl Drop for MockProcess {
    /// Ends the process, and waits for its end.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.stdin.take());
        let has_ended = self.end.take().is_some_and(|end| end.recv_timeout(END_TIMEOUT).is_ok());
        if !has_ended {
            // An error means that it has ended meanwhile.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// `CREATE_NEW_PROCESS_GROUP` of Windows.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
/// The longest time from the start of a process to its announcement, and from the start of a run to the first report.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest time that a process has to end by itself.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of a line in bytes: far above that of the levels of every target that a scenario may have.
const MAX_LINE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ProviderDecision;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn reports_that_come_after_the_end_of_the_run_do_not_mean_that_the_process_has_ended() {
        let report = Report::Decided { attempt: 1, decision: ProviderDecision::TooLong.into() }.to_line();
        let lines = report.repeat(3);
        let (sender, inbox) = unbounded_channel();
        drop(inbox);
        let mut unread = lines.as_bytes();
        forward(&mut unread, &sender, &Mutex::default(), &mpsc::channel().0);
        assert!(unread.is_empty(), "it reads until the process closes its end");
    }
}
