//! Checks the budgets of clients against the prices of their targets: a budget at targets without prices would bind nothing.

use super::Note;
use super::diagnostics::{Diagnostics, Location};
use super::resolved::{Client, Scenario, SpendingBudget, Target};
use crate::ids::{ClientId, TargetId};
use provider::units::print_number;
use std::fmt::{self, Display, Formatter};

impl Scenario {
    /// Returns the targets to which jobs of a client are sent: those of the routes of its workloads or, for the default client of a
    /// scenario without workloads, of all routes. Each once, in the order of their ids.
    fn targets_of_client(&self, id: ClientId) -> Vec<TargetId> {
        let mut targets: Vec<TargetId> = if self.workloads.is_empty() && id == ClientId::default() {
            self.target_ids().collect()
        } else {
            let workloads = self.workloads.iter().filter(|workload| workload.client == id);
            workloads.flat_map(|workload| self.targets_of(workload)).collect()
        };
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// Reports each budget of a client in use whose targets are all free. `places`: where the budgets are written, by client.
    pub(super) fn report_budgets_without_prices(
        &self,
        places: &[(String, Location)],
        diagnostics: &Diagnostics,
    ) {
        for (id, client) in self.clients_in_use().filter(|(_, client)| client.budget.is_some()) {
            let targets = self.targets_of_client(id);
            let is_bound = targets.iter().any(|id| !is_free(&self.targets[id.index()]));
            let place = places.iter().find(|(name, _)| *name == client.name);
            if let Some((_, at)) = place.filter(|_| !is_bound && !targets.is_empty()) {
                let what = "this budget never binds: no target of the client's jobs states a price";
                let help = "add `price: {input: 0.5, output: 1.5}` to its models (USD per million tokens), or remove the budget";
                diagnostics.report_at(at, what, help);
            }
        }
    }

    /// Returns a note for each client in use that has a budget.
    pub(super) fn budget_notes(&self) -> Vec<Note> {
        let note = |(id, client): (ClientId, &Client)| {
            let SpendingBudget { usd_per_hour, usd_per_day } = client.budget?;
            let targets = self.targets_of_client(id);
            let names = |has: &dyn Fn(&Target) -> bool| -> Vec<String> {
                let targets = targets.iter().map(|id| &self.targets[id.index()]);
                targets.filter(|target| has(target)).map(|target| target.name.clone()).collect()
            };
            let workloads = self.workloads.iter().filter(|workload| workload.client == id);
            let has_unbounded_jobs =
                self.workloads.is_empty() || workloads.clone().any(|workload| workload.max_tokens.is_none());
            let is_unbounded = |target: &Target| {
                let models = &self.providers[usize::from(target.provider)].models;
                let lengths = models[usize::from(target.model)].lengths;
                has_unbounded_jobs
                    && target.price.output > 0.0
                    && lengths.max_output.or(lengths.context).is_none()
            };
            Some(Note::ClientBudget {
                client: client.name.clone(),
                usd_per_hour,
                usd_per_day,
                free: names(&is_free),
                unbounded: names(&is_unbounded),
            })
        };
        self.clients_in_use().filter_map(note).collect()
    }
}

/// Returns `true` if no token of a target costs anything.
fn is_free(target: &Target) -> bool {
    let price = target.price;
    [price.input, price.cached_input, price.output].into_iter().all(|usd| usd <= 0.0)
}

/// As in a sentence: `5 USD per hour and 60 USD per day`.
impl Display for SpendingBudget {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let amounts = [(self.usd_per_hour, "hour"), (self.usd_per_day, "day")];
        let amount = |(usd, unit): (Option<f64>, _)| Some(format!("{} USD per {unit}", print_number(usd?)));
        let amounts: Vec<String> = amounts.into_iter().filter_map(amount).collect();
        formatter.write_str(&amounts.join(" and "))
    }
}
