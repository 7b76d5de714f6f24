//! Connections of clients that send nothing.

use super::{Command, Mock};
use std::net::TcpStream;

/// Runs the binary with at most 200 descriptors, of which a connection takes one.
fn with_few_descriptors() -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_quotalab")]);
    command
}

#[test]
fn idle_connections_do_not_shut_out_a_client_if_descriptors_run_out() {
    let mock = Mock::start_by(with_few_descriptors(), &["--preset", "groq-free"]);
    let idle: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(&mock.address).expect("the kernel accepts it")).collect();
    assert_eq!(mock.ask("openai/gpt-oss-20b").status(), 200, "beside {} idle connections", idle.len());
}
