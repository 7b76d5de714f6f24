//! The password of Redis must appear in no output of a gateway that shares quotas.

use super::super::sharing::redis_server::RedisServer;
use super::*;

/// Searches every output while Redis answers, is gone and answers again, and of gateways that do not start: with a wrong
/// password, with the password on the command line, and with an invalid URL.
#[test]
fn the_password_of_redis_appears_nowhere() {
    let password = "s3cr3t-Of-Redis";
    let Some(mut server) = RedisServer::start(Some(password)) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::answering(completion());
    let scenario = write_scenario(folder.path(), &format!("http://{}/v1", provider.address), "chat");
    let variable =
        |url: &str| [("TEST_API_KEY", SECRET.to_owned()), ("QUOTALAB_GATEWAY_REDIS", url.to_owned())];
    let environment = variable(&server.url());
    let gateway =
        Process::start(&scenario, &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    let mut seen = gateway.chat("chat").text;
    assert!(
        gateway.printed().contains(&format!("quotas are shared through redis at 127.0.0.1:{}", server.port))
    );
    server.kill();
    let is_gone = || gateway.get("/metrics").body().contains("quotalab_gateway_sharing_up 0\n");
    wait_for(is_gone, "it knows that redis is gone");
    seen.push_str(&gateway.chat("chat").text);
    assert!(seen.matches("200 OK").count() == 2, "{seen}");
    wait_for(|| gateway.printed().contains("redis does not answer"), "it says so");
    for path in ["/metrics", "/_quotalab", "/_quotalab/state"] {
        seen.push_str(&gateway.get(path).text);
    }
    assert!(server.restart());
    wait_for(|| gateway.printed().contains("redis answers again"), "it says so");
    gateway.signal("-TERM");
    let (_, printed) = gateway.wait();
    assert_eq!(printed.matches("redis does not answer").count(), 1, "{printed}");
    seen.push_str(&printed);
    let run = |option: &[&str], url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
        command.args(["gateway", scenario.to_str().expect("a plain path"), "--listen", "0"]).args(option);
        let output = command.envs(variable(url)).output().expect("the binary starts");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    let wrong = run(&[], &server.url().replace(password, &format!("{password}x")));
    assert!(wrong.contains("redis at 127.0.0.1") && wrong.contains("does not answer"), "{wrong}");
    let on_command_line = run(&["--redis", &server.url()], "");
    assert!(on_command_line.contains("QUOTALAB_GATEWAY_REDIS"), "{on_command_line}");
    let broken = run(&[], &format!("redis:/{password}"));
    assert!(broken.contains("redis://HOST:PORT"), "{broken}");
    let without_colon = run(&["--redis", &server.url().replace(":s3cr3t", "s3cr3t")], "");
    assert!(
        without_colon.contains("redis://:PASSWORD@HOST") && without_colon.contains("QUOTALAB_GATEWAY_REDIS"),
        "{without_colon}"
    );
    let as_parameter = run(&[], &format!("redis://127.0.0.1:{}?password={password}", server.port));
    assert!(as_parameter.contains("redis://:PASSWORD@HOST"), "{as_parameter}");
    for text in [seen, wrong, on_command_line, broken, without_colon, as_parameter] {
        assert!(!text.contains(password), "{text}");
    }
}
