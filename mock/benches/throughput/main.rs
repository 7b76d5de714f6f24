//! The throughput of the mock relative to hyper alone, on one core: without limits, with limits that never bind, and with
//! one that refuses all requests but the first, each against a bare hyper server with a fixed body of the same length;
//! and the memory of the mock after 100,000 and after a million requests. `../README.md` explains the output.
//!
//! ```text
//!  server (its own process, on one core)  ◀── 64 connections on loopback ──▶  load (this process, on another)
//! ```
//!
//! ```text
//! cargo bench --bench throughput                           all, in about four minutes
//! cargo bench --bench throughput -- --quick                a few seconds, without memory, for CI
//! cargo bench --bench throughput -- --memory               memory only
//! cargo bench --bench throughput -- --serve CASE           one server on a free port until its input ends
//! cargo bench --bench throughput -- --load ADDRESS NUMBER  NUMBER requests to a server, for a profiler
//! ```

mod load;
mod measured;
mod process;
mod servers;

use anyhow::{Context, bail};
use load::{CONNECTIONS, Load, Reply};
use measured::median_and_range;
use process::{Core, Server};
use servers::Case;
use std::net::SocketAddr;

/// The amount of work of a benchmark.
struct Extent {
    /// Rounds, each with its own processes.
    rounds: usize,
    /// Turns of each server in a round.
    turns: usize,
    /// Requests of a turn. As many are sent before the first turn to warm up.
    requests: u64,
}

const FULL: Extent = Extent { rounds: 11, turns: 10, requests: 5_000 };
const QUICK: Extent = Extent { rounds: 3, turns: 4, requests: 2_500 };

/// The numbers of requests after which memory is measured.
const MEMORY_SAMPLES: [u64; 2] = [100_000, 1_000_000];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&FULL).and_then(|()| memory()),
        ["--quick"] => compare(&QUICK),
        ["--memory"] => memory(),
        ["--load", address, requests] => load(address.parse()?, requests.parse()?),
        ["--serve", "bare", status, length] => servers::bare(status.parse()?, length.parse()?),
        ["--serve", case] => {
            servers::mock(Case::from_name(case).context("a case: unlimited, limited or refused")?)
        }
        _ => bail!("--quick, --memory, --serve CASE, --load ADDRESS NUMBER, or nothing"),
    }
}

/// The measurements of one server in a round.
#[derive(Clone, Copy, Default)]
struct Run {
    requests: f64,
    seconds: f64,
    /// CPU time of the server in seconds; NaN if the system has no `/proc`.
    cpu_seconds: f64,
}

impl Run {
    /// Sends the requests of one turn, and adds their number, the elapsed time and the CPU time of the server.
    fn add(&mut self, server: &Server, load: &mut Load, requests: u64, status: u16) -> anyhow::Result<()> {
        let cpu_seconds = || server.cpu_seconds().unwrap_or(f64::NAN);
        let before = cpu_seconds();
        self.seconds += load.send_all(requests, status)?;
        self.cpu_seconds += cpu_seconds() - before;
        self.requests += requests as f64;
        Ok(())
    }

    /// Thousands of requests per second.
    fn rate(&self) -> f64 {
        self.requests / self.seconds / 1e3
    }

    /// Thousands of requests per second of CPU time.
    fn rate_per_cpu_second(&self) -> f64 {
        self.requests / self.cpu_seconds / 1e3
    }

    /// CPU time of the server relative to the elapsed time.
    fn cpu_utilisation(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }
}

/// Runs one round of the mock and of hyper alone. They take turns, so that other load of the machine affects both.
fn round(case: Case, reply: Reply, core: Option<Core>, extent: &Extent) -> anyhow::Result<[Run; 2]> {
    let Reply { status, length } = reply;
    let mock = Server::start(&[case.name()], core)?;
    let bare = Server::start(&["bare", &status.to_string(), &length.to_string()], core)?;
    let servers = [&mock, &bare];
    let mut loads = [Load::connect(mock.address())?, Load::connect(bare.address())?];
    for load in &mut loads {
        load.send_one()?; // Uses up the limit of the case `refused`.
        load.send_all(extent.requests, status)?;
    }
    let mut runs = [Run::default(); 2];
    for _ in 0..extent.turns {
        for (run, (server, load)) in runs.iter_mut().zip(servers.into_iter().zip(&mut loads)) {
            run.add(server, load, extent.requests, status)?;
        }
    }
    Ok(runs)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn compare(extent: &Extent) -> anyhow::Result<()> {
    let core = Core::reserve_for_server();
    match &core {
        Ok(_) => println!("{CONNECTIONS} connections, the server on one core and the client on another"),
        Err(reason) => {
            println!("{CONNECTIONS} connections, server and client not pinned to cores: {reason:#}")
        }
    }
    let core = core.ok();
    println!("median (minimum to maximum of {} rounds)", extent.rounds);
    for case in Case::ALL {
        let reply = expected_reply(case)?;
        println!("{}: status {}, a body of {} bytes", case.name(), reply.status, reply.length);
        let rounds = (0..extent.rounds).map(|_| round(case, reply, core, extent));
        let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
        print_figure("thousand requests per second", &rounds, Run::rate);
        print_figure("thousand requests per CPU second", &rounds, Run::rate_per_cpu_second);
        print_figure("CPU utilisation of the server", &rounds, Run::cpu_utilisation);
    }
    Ok(())
}

/// Returns the reply of a case to all but the first request.
fn expected_reply(case: Case) -> anyhow::Result<Reply> {
    let server = Server::start(&[case.name()], None)?;
    let mut load = Load::connect(server.address())?;
    load.send_one()?;
    load.send_one()
}

/// Prints the median and range over all rounds of a figure of both servers, and of the ratio of the two.
#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn print_figure(label: &str, rounds: &[[Run; 2]], figure: fn(&Run) -> f64) {
    if rounds.iter().flatten().any(|run| figure(run).is_nan()) {
        return println!("  {label:<32} skipped: not readable on this system");
    }
    let figures_of =
        |server: usize| median_and_range(rounds.iter().map(|round| figure(&round[server])).collect());
    let ratios = median_and_range(rounds.iter().map(|[mock, bare]| figure(mock) / figure(bare)).collect());
    println!("  {label:<32} mock {}  bare {}  ratio {ratios}", figures_of(0), figures_of(1));
}

/// Prints the memory of the mock after each number of requests in [`MEMORY_SAMPLES`].
#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn memory() -> anyhow::Result<()> {
    println!("memory in MiB: resident, peak");
    for case in Case::ALL {
        let Reply { status, .. } = expected_reply(case)?;
        let server = Server::start(&[case.name()], None)?;
        let mut load = Load::connect(server.address())?;
        load.send_one()?;
        let mut sent = 0;
        for requests in MEMORY_SAMPLES {
            load.send_all(requests - sent, status)?;
            sent = requests;
            match server.memory_mib() {
                Some([now, peak]) => {
                    println!("  {}, after {requests:>7} requests  {now:.2}  {peak:.2}", case.name())
                }
                None => println!("  skipped: not readable on this system"),
            }
        }
    }
    Ok(())
}

/// Sends requests to a server that a profiler observes.
fn load(address: SocketAddr, requests: u64) -> anyhow::Result<()> {
    let mut load = Load::connect(address)?;
    load.send_one()?;
    let Reply { status, .. } = load.send_one()?;
    load.send_all(requests, status).map(|_seconds| ())
}
