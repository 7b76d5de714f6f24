//! What the mock costs beside hyper alone: requests per second on one core, limits that never bind and limits that
//! refuse everything, each beside a bare hyper server whose fixed body is as long; and the mock's memory over a
//! million requests. `../README.md` tells how to read it.
//!
//! ```text
//!  server (a process of its own, on one core)  ◀── 64 connections on loopback ──▶  load (this process, on another)
//! ```
//!
//! ```text
//! cargo bench --bench throughput                    everything, in about a minute and a half
//! cargo bench --bench throughput -- --quick         a few seconds, without the million, for CI
//! cargo bench --bench throughput -- --memory        the million alone
//! cargo bench --bench throughput -- --serve served  one server on a free port until its input ends, and
//! cargo bench --bench throughput -- --load ADDRESS N  so many requests to it, for a profiler
//! ```
//!
//! The subjects take turns, and a ratio is of two runs that stood side by side, so that a busy minute of the machine
//! meets both. A server's seconds on its core per request are told too: no client can hold those up.

mod load;
mod process;
mod servers;

use anyhow::{Context, bail};
use load::{CONNECTIONS, Load, Reply};
use process::{Core, Server};
use servers::Case;

/// How much is measured.
struct Measure {
    /// Rounds in which the subjects take turns.
    rounds: usize,
    /// Requests before each run, uncounted, and in it.
    warm_up: u64,
    requests: u64,
}

const WHOLE: Measure = Measure { rounds: 15, warm_up: 5_000, requests: 40_000 };
const QUICK: Measure = Measure { rounds: 3, warm_up: 1_000, requests: 10_000 };

/// After how many requests memory is read.
const MEMORY: [u64; 2] = [100_000, 1_000_000];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&WHOLE).and_then(|()| remember()),
        ["--quick"] => compare(&QUICK),
        ["--memory"] => remember(),
        ["--load", address, requests] => load(address.parse()?, requests.parse()?),
        ["--serve", "bare", status, length] => servers::bare(status.parse()?, length.parse()?),
        ["--serve", case] => servers::mock(Case::of(case).context("--serve served or --serve refused")?),
        _ => bail!("--quick, --memory, --serve served, --serve refused, or nothing"),
    }
}

/// One run against one server.
#[derive(Clone, Copy)]
struct Run {
    requests: f64,
    seconds: f64,
    /// The server's seconds on its core, where the system tells.
    on_core: Option<f64>,
}

impl Run {
    /// Starts a server, lets it warm up, and counts.
    fn of(arguments: &[&str], core: Option<Core>, measure: &Measure, status: u16) -> anyhow::Result<Self> {
        let server = Server::start(arguments, core)?;
        let mut load = Load::connect(server.address())?;
        load.ask()?; // It uses up the limit, where there is one to be used up.
        load.send(measure.warm_up, status)?;
        let before = server.seconds_on_core();
        let seconds = load.send(measure.requests, status)?;
        let on_core = server.seconds_on_core().zip(before).map(|(now, before)| now - before);
        Ok(Self { requests: measure.requests as f64, seconds, on_core })
    }

    /// Thousands of requests per second.
    fn rate(&self) -> Option<f64> {
        Some(self.requests / self.seconds / 1e3)
    }

    /// Requests per millisecond of the server on its core.
    fn rate_on_core(&self) -> Option<f64> {
        Some(self.requests / self.on_core? / 1e3)
    }

    /// The share of the run that the server was on its core.
    fn share(&self) -> Option<f64> {
        Some(self.on_core? / self.seconds)
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it saw")]
fn compare(measure: &Measure) -> anyhow::Result<()> {
    let core = Core::beside_the_client();
    match &core {
        Ok(_) => println!("{CONNECTIONS} connections, the server on one core, the client on another"),
        Err(reason) => println!("{CONNECTIONS} connections, server and client not kept apart: {reason:#}"),
    }
    let core = core.ok();
    println!("median (least to most of {} rounds)", measure.rounds);
    for case in Case::ALL {
        let Reply { status, length } = expected(case)?;
        let (mut mocks, mut bares) = (Vec::new(), Vec::new());
        for _ in 0..measure.rounds {
            mocks.push(Run::of(&[case.name()], core, measure, status)?);
            let bare = ["bare", &status.to_string(), &length.to_string()];
            bares.push(Run::of(&bare, core, measure, status)?);
        }
        println!("{}: status {status}, a body of {length} bytes", case.name());
        tell("thousand requests per second", &mocks, &bares, Run::rate);
        tell("the same per second on a core", &mocks, &bares, Run::rate_on_core);
        tell("share of its core in use", &mocks, &bares, Run::share);
    }
    Ok(())
}

/// What a case answers once its limit is used up, where it has one to be used up.
fn expected(case: Case) -> anyhow::Result<Reply> {
    let server = Server::start(&[case.name()], None)?;
    let mut load = Load::connect(server.address())?;
    load.ask()?;
    load.ask()
}

/// Prints a figure of both subjects and, as a ratio, of the runs that stood side by side.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it saw")]
fn tell(what: &str, mocks: &[Run], bares: &[Run], figure: fn(&Run) -> Option<f64>) {
    let figures = |runs: &[Run]| runs.iter().map(figure).collect::<Option<Vec<_>>>();
    match (figures(mocks), figures(bares)) {
        (Some(mocks), Some(bares)) => {
            let ratios = mocks.iter().zip(&bares).map(|(mock, bare)| mock / bare).collect();
            println!("  {what:<30} mock {}  bare {}  ratio {}", spread(mocks), spread(bares), spread(ratios));
        }
        _ => println!("  {what:<30} skipped: this system has no /proc"),
    }
}

/// `median (least to most)`.
fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    format!("{:.3} ({least:.3} to {most:.3})", figures[figures.len() / 2])
}

/// Reads the mock's memory again and again over so many requests.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it saw")]
fn remember() -> anyhow::Result<()> {
    println!("memory in MiB now, and at its peak");
    for case in Case::ALL {
        let Reply { status, .. } = expected(case)?;
        let server = Server::start(&[case.name()], None)?;
        let mut load = Load::connect(server.address())?;
        load.ask()?;
        let mut sent = 0;
        for requests in MEMORY {
            load.send(requests - sent, status)?;
            sent = requests;
            match server.memory_mib() {
                Some([now, peak]) => {
                    println!("  {}, after {requests:>7} requests  {now:.2}  {peak:.2}", case.name())
                }
                None => println!("  skipped: this system has no /proc"),
            }
        }
    }
    Ok(())
}

/// Sends so many requests to a server, for a profiler beside it.
fn load(address: std::net::SocketAddr, requests: u64) -> anyhow::Result<()> {
    let mut load = Load::connect(address)?;
    load.ask()?;
    let Reply { status, .. } = load.ask()?;
    load.send(requests, status).map(|_seconds| ())
}
