//! What the mock costs beside hyper alone: requests per second on one core, without limits, with limits that never bind
//! and with one that refuses everything, each beside a bare hyper server whose fixed body is as long; and the mock's
//! memory over a million requests. `../README.md` tells how to read it.
//!
//! ```text
//!  server (a process of its own, on one core)  ◀── 64 connections on loopback ──▶  load (this process, on another)
//! ```
//!
//! ```text
//! cargo bench --bench throughput                           everything, in about four minutes
//! cargo bench --bench throughput -- --quick                a few seconds, without the million, for CI
//! cargo bench --bench throughput -- --memory               the million alone
//! cargo bench --bench throughput -- --serve CASE           one server on a free port until its input ends, and
//! cargo bench --bench throughput -- --load ADDRESS NUMBER  so many requests to it, for a profiler
//! ```

mod load;
mod measured;
mod process;
mod servers;

use anyhow::{Context, bail};
use load::{CONNECTIONS, Load, Reply};
use measured::spread;
use process::{Core, Server};
use servers::Case;
use std::net::SocketAddr;

/// How much is measured.
struct Measure {
    /// Rounds, each with processes of its own.
    rounds: usize,
    /// Turns that the two servers of a round take.
    turns: usize,
    /// Requests of a turn; as many go before the first, uncounted.
    requests: u64,
}

const WHOLE: Measure = Measure { rounds: 11, turns: 10, requests: 5_000 };
const QUICK: Measure = Measure { rounds: 3, turns: 4, requests: 2_500 };

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
        ["--serve", case] => servers::mock(Case::of(case).context("a case: unlimited, limited or refused")?),
        _ => bail!("--quick, --memory, --serve CASE, --load ADDRESS NUMBER, or nothing"),
    }
}

/// What one server did with its share of a round.
#[derive(Clone, Copy, Default)]
struct Run {
    requests: f64,
    seconds: f64,
    /// The server's seconds on its core; not a number where the system does not tell.
    on_core: f64,
}

impl Run {
    /// Adds one turn.
    fn add(&mut self, server: &Server, load: &mut Load, requests: u64, status: u16) -> anyhow::Result<()> {
        let on_core = || server.seconds_on_core().unwrap_or(f64::NAN);
        let before = on_core();
        self.seconds += load.send(requests, status)?;
        self.on_core += on_core() - before;
        self.requests += requests as f64;
        Ok(())
    }

    /// Thousands of requests per second.
    fn rate(&self) -> f64 {
        self.requests / self.seconds / 1e3
    }

    /// The same per second that the server was on its core.
    fn rate_on_core(&self) -> f64 {
        self.requests / self.on_core / 1e3
    }

    /// The share of the time that the server was on its core.
    fn share(&self) -> f64 {
        self.on_core / self.seconds
    }
}

/// One round of the mock and of hyper alone: in turns, so that a busy moment of the machine meets both.
fn round(case: Case, reply: Reply, core: Option<Core>, measure: &Measure) -> anyhow::Result<[Run; 2]> {
    let Reply { status, length } = reply;
    let mock = Server::start(&[case.name()], core)?;
    let bare = Server::start(&["bare", &status.to_string(), &length.to_string()], core)?;
    let servers = [&mock, &bare];
    let mut loads = [Load::connect(mock.address())?, Load::connect(bare.address())?];
    for load in &mut loads {
        load.ask()?; // It uses up the limit, where there is one to be used up.
        load.send(measure.requests, status)?;
    }
    let mut runs = [Run::default(); 2];
    for _ in 0..measure.turns {
        for (run, (server, load)) in runs.iter_mut().zip(servers.into_iter().zip(&mut loads)) {
            run.add(server, load, measure.requests, status)?;
        }
    }
    Ok(runs)
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
        let reply = expected(case)?;
        println!("{}: status {}, a body of {} bytes", case.name(), reply.status, reply.length);
        let rounds = (0..measure.rounds).map(|_| round(case, reply, core, measure));
        let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
        tell("thousand requests per second", &rounds, Run::rate);
        tell("the same per second on a core", &rounds, Run::rate_on_core);
        tell("share of its core in use", &rounds, Run::share);
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

/// Prints a figure of both servers, and the ratio of the two in each round.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it saw")]
fn tell(what: &str, rounds: &[[Run; 2]], figure: fn(&Run) -> f64) {
    if rounds.iter().flatten().any(|run| figure(run).is_nan()) {
        return println!("  {what:<30} skipped: this system has no /proc");
    }
    let of = |place: usize| spread(rounds.iter().map(|round| figure(&round[place])).collect());
    let ratios = spread(rounds.iter().map(|[mock, bare]| figure(mock) / figure(bare)).collect());
    println!("  {what:<30} mock {}  bare {}  ratio {ratios}", of(0), of(1));
}

/// Reads the mock's memory after so many requests, and after so many more.
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
fn load(address: SocketAddr, requests: u64) -> anyhow::Result<()> {
    let mut load = Load::connect(address)?;
    load.ask()?;
    let Reply { status, .. } = load.ask()?;
    load.send(requests, status).map(|_seconds| ())
}
