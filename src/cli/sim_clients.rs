//! `quotalab sim SCENARIO --client A --client B`: clients compared on the same traffic.

use super::interrupt::Interrupt;
use super::output::{print, print_to_stderr, style};
use super::output_folder::{FileNames, OutputFiles, OutputFolder};
use super::run_output::{CommandLine, INTERRUPTED, TOO_MANY_JOBS};
use super::{Exit, OutputOptions, VerbError, fail_if, first_failure, input_error, quoted};
use crate::drive::{self, RunSize, virtual_time};
use crate::formatting::path_name;
use crate::record::{ClientComparison, Mode, Recorder, Summary};
use crate::report::compare;
use crate::scenario::{self, Scenario};
use anyhow::anyhow;
use std::collections::BTreeSet;

/// Returns the option that names a client, after a space.
pub(super) fn client_option(name: &str) -> String {
    format!(" --client {}", quoted(name))
}

/// Simulates the scenario once with each of the clients, and prints and writes the comparison. The first client is the baseline.
///
/// # Errors
/// If a client is unknown or given twice, if an event log is wanted, if the runs are too large and not confirmed, if a signal ends them, or if the result
/// cannot be written.
pub(super) fn run(
    scenario: &Scenario,
    clients: &[String],
    source: &CommandLine<'_>,
    options: &OutputOptions,
) -> Result<Exit, VerbError> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = clients.iter().find(|client| !seen.insert(client.as_str())) {
        return Err(input_error(anyhow!(
            "error: `--client {twice}` is given twice\n  help: name every client once"
        )));
    }
    if options.events.is_some() {
        return Err(input_error(anyhow!(
            "error: `--events` logs one run, and every client has a run of its own\n  help: name one client, or leave `--events` out"
        )));
    }
    let scenarios = clients
        .iter()
        .map(|client| scenario::with_client(scenario, client))
        .collect::<Result<Vec<_>, _>>()?;
    let sizes = scenarios.iter().map(|scenario| RunSize::of(scenario, 1.0));
    options.size_check.check(&sizes.reduce(|sum, size| sum + size).unwrap_or_default())?;
    let folder = OutputFolder::open_for(
        scenario,
        (options.out.as_ref(), source.scenario),
        &FileNames::OF_CLIENTS,
        &[],
    )?;
    let interrupt = Interrupt::listen();
    let mut summaries = Vec::new();
    for (client, scenario) in clients.iter().zip(scenarios) {
        let summary = simulate(scenario, &interrupt);
        fail_if(interrupt.is_set(), INTERRUPTED)?;
        summaries.push(Summary {
            reproduce: source.command_with(&client_option(client), options.size_check),
            file: source.scenario.to_string_lossy().into_owned(),
            ..summary
        });
    }
    if let (Some(program), false) = (program_for_several(scenario, clients), options.quiet) {
        print_to_stderr(&format!(
            "note: as {program} every client of the scenario behaves, each with its own deadline and processes; a client of the \
             scenario handles all jobs alone"
        ));
    }
    let named: Vec<compare::Named<'_>> = clients.iter().map(String::as_str).zip(&summaries).collect();
    let json = ClientComparison::of(&named).map(|comparison| comparison.to_json()).unwrap_or_default();
    let printed = print(&if options.json { json.clone() } else { compare::text(&named, style()) });
    let page = folder.write(&OutputFiles::of_clients(&named, json));
    if let (Ok(page), false) = (&page, options.quiet) {
        print_to_stderr(&format!("report: {}", path_name(page)));
    }
    let too_many = summaries.iter().any(|summary| summary.jobs.are_too_many());
    first_failure([printed, page.map(drop), fail_if(too_many, TOO_MANY_JOBS)])?;
    Ok(if summaries.iter().all(Summary::holds) { Exit::Success } else { Exit::NotMet })
}

/// Returns the first of `clients` that is a program, if it is compared with a client of a scenario whose jobs several clients handle.
fn program_for_several<'a>(scenario: &Scenario, clients: &'a [String]) -> Option<&'a str> {
    let is_own = |name: &&String| scenario.clients.iter().any(|client| client.name == **name);
    let has_several = scenario.clients_in_use().count() > 1 && clients.iter().any(|name| is_own(&name));
    clients.iter().find(|name| !is_own(name)).filter(|_| has_several).map(String::as_str)
}

fn simulate(scenario: Scenario, interrupt: &Interrupt) -> Summary {
    let scenario = drive::with_start_levels_until(scenario, &|| interrupt.is_set());
    let mut fold = interrupt.clone();
    drive::record(Recorder::new(&scenario), Mode::Virtual, &mut fold, |folds| {
        virtual_time::simulate(&scenario, folds)
    })
}
