//! A scenario with another client, so that clients can be compared on the same traffic.

use super::Note;
use super::imitation::{self, IMITATIONS};
use super::resolved::{Client, Scenario};
use crate::ids::ClientId;
use crate::problem::{Problem, Problems, did_you_mean};

/// Returns `scenario` with the client that `name` stands for.
///
/// A client of the scenario (`default`, or a name under `clients`) handles the jobs of every workload. An imitation (see [`IMITATIONS`])
/// takes the place of every client, each with its own deadline and number of processes. A client of the scenario takes
/// precedence over an imitation of the same name.
///
/// # Errors
/// If there is neither a client nor an imitation with this name.
pub fn with_client(scenario: &Scenario, name: &str) -> Result<Scenario, Problems> {
    let mut changed = scenario.clone();
    let known = scenario.clients.iter().map(|client| client.name.as_str());
    if let Some(id) = known.clone().position(|known| known == name) {
        let id = ClientId(u16::try_from(id).expect("invariant: a scenario has at most 50,000 values"));
        changed.workloads.iter_mut().for_each(|workload| workload.client = id);
        return Ok(with_notes_on_client(changed));
    }
    let Some(imitating) = imitation::client(name) else {
        let names = known.chain(IMITATIONS.iter().map(|imitation| imitation.name));
        let what = format!("there is no client `{name}`");
        let help = format!(
            "{}: a client of the scenario, or a program that `like` imitates",
            did_you_mean(name, names)
        );
        return Err(Problem::with_file("--client", what, help).into());
    };
    for client in &mut changed.clients {
        *client = Client {
            name: client.name.clone(),
            processes: client.processes,
            deadline: client.deadline,
            ..imitating.clone()
        };
    }
    Ok(with_notes_on_client(changed))
}

/// Returns a scenario whose clients have changed, with the notes that depend on them.
fn with_notes_on_client(mut scenario: Scenario) -> Scenario {
    scenario.notes.retain(|note| !matches!(note, Note::LateAnswers { .. }));
    let late_answers: Vec<Note> = scenario.late_answer_notes().collect();
    scenario.notes.extend(late_answers);
    scenario
}
