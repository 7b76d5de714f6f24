//! `sim --client A --client B`: the same traffic, handled by one client after the other.

use super::{SHORT, arg, quotalab, scratch};

#[test]
fn clients_are_compared_on_the_same_traffic() {
    let folder = scratch("clients");
    let out = arg(&folder);
    let compared =
        quotalab(&["sim", SHORT, "--client", "default", "--client", "litellm", "--json", "--out", out]);
    assert!(matches!(compared.code, 0 | 1), "{}", compared.err);
    let comparison = compared.json();
    assert_eq!(comparison["schema"], "quotalab/clients/1");
    let clients = comparison["clients"].as_array().expect("a list of clients");
    let named: Vec<&str> = clients.iter().map(|one| one["client"].as_str().expect("a name")).collect();
    assert_eq!(named, ["default", "litellm"]);
    // Each alone gives the result that the comparison has.
    for client in clients {
        let name = client["client"].as_str().expect("a name");
        let alone = quotalab(&["sim", SHORT, "--client", name, "--json", "--out", out]).json();
        assert_eq!(alone["attempts"]["total"], client["result"]["attempts"]["total"], "{name}");
        let reproduce = alone["reproduce"].as_str().expect("a command");
        assert!(reproduce.contains(&format!(" --client {name}")), "{reproduce}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    for (options, expected) in [
        (&["--client", "litellm", "--client", "litellm"][..], "is given twice"),
        (&["--client", "litellm", "--client", "litelm"], "did you mean `litellm`"),
        (&["--client", "default", "--client", "litellm", "--events", "log.jsonl"], "logs one run"),
    ] {
        let refused = quotalab(&[&["sim", SHORT], options].concat());
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{options:?}");
        assert!(refused.err.contains(expected), "{options:?}: {}", refused.err);
    }
}
