//! A queue in which the flows that wait share the turns: the jobs of one workload are a flow, in the gateway those of one caller.
//!
//! First in, first out, a burst of one workload delays every job of the others that arrives after it until the whole burst is
//! served. Here it delays them by its fair share: among flows that wait, each gets as many requests, or as many tokens, as any
//! other. This is start-time fair queueing (Goyal, Vin, Cheng: Start-Time Fair Queueing, SIGCOMM 1996) with equal weights:
//!
//! * The first job of each flow has a *start tag*: the units that the flow has been served while it waited. The flow with the lowest tag
//!   has its turn; its tag then grows by the units of its job.
//! * A flow that begins to wait starts at the tag that was last served, not at its own old one: it gets no credit for the time in
//!   which it did not wait.
//! * A job that leaves without its turn, because it is given up, costs its flow nothing.
//!
//! ```text
//!  tag           0    1    2    3    4    5
//!  bulk          B1   B2   B3   B4   B5   …
//!  chat arrives at 2 with two jobs:
//!                          C1   C2              order: B1 B2 B3 C1 B4 C2 B5 …
//! ```
//!
//! So between any two instants at which two flows both wait, what they are served differs by at most one largest job of each
//! (theorem 1 of the paper). Without fairness all jobs are one flow: first in, first out.

use super::estimate::cost_of;
use super::fifo::{Fifo, Links};
use crate::ids::Slot;
use crate::job::Job;
use crate::scenario::Fairness;
use provider::Axis;
use provider::meter::Charge;

/// The jobs that wait for one thing, by flow.
#[derive(Clone, Debug)]
pub(super) struct FairQueue {
    fairness: Fairness,
    /// By the number of the flow; one without fairness.
    flows: Vec<Flow>,
    /// The flow whose turn is next; `None` if no job waits.
    next: Option<usize>,
    /// The start tag of the job that had the last turn.
    last_tag: u64,
    waiting: u32,
}

/// The jobs of one flow that wait.
#[derive(Clone, Debug)]
struct Flow {
    order: Fifo,
    waiting: u32,
    /// What they cost together.
    cost: Charge,
    /// The start tag of the first, in units of the fairness. It cannot overflow: a run has fewer than 2^64 tokens ([`crate::job::MAX_TOKENS`]).
    tag: u64,
}

impl Flow {
    const EMPTY: Self = Self { order: Fifo::EMPTY, waiting: 0, cost: Charge::ZERO, tag: 0 };
}

impl FairQueue {
    /// Creates an empty queue.
    pub(super) const fn new(fairness: Fairness) -> Self {
        Self { fairness, flows: Vec::new(), next: None, last_tag: 0, waiting: 0 }
    }

    /// Returns `true` if no job waits.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Returns the number of jobs that wait.
    pub(super) const fn len(&self) -> u32 {
        self.waiting
    }

    /// Returns the number of jobs that wait and share the flow of this one.
    pub(super) fn len_of_flow(&self, job: &Job) -> u32 {
        self.flows.get(self.flow(job)).map_or(0, |flow| flow.waiting)
    }

    /// Returns the job whose turn is next.
    #[inline]
    pub(super) fn first(&self) -> Option<Slot> {
        self.next.and_then(|flow| self.flows[flow].order.first())
    }

    /// Returns the last job of the longest flow and the length of that flow.
    pub(super) fn last_of_longest(&self) -> Option<(Slot, u32)> {
        let longest = self.flows.iter().max_by_key(|flow| flow.waiting)?;
        longest.order.last().map(|last| (last, longest.waiting))
    }

    /// Appends a job to its flow.
    pub(super) fn push(&mut self, links: &mut Links, slot: Slot, job: &Job) {
        let index = self.flow(job);
        if self.flows.len() <= index {
            self.flows.resize(index + 1, Flow::EMPTY);
        }
        let flow = &mut self.flows[index];
        if flow.order.is_empty() {
            flow.tag = flow.tag.max(self.last_tag);
        }
        links.push(&mut flow.order, slot);
        flow.waiting += 1;
        flow.cost.add(&cost_of(job));
        self.waiting += 1;
        self.find_next();
    }

    /// Removes a job that leaves without its turn.
    pub(super) fn remove(&mut self, links: &mut Links, slot: Slot, job: &Job) {
        let index = self.flow(job);
        let flow = &mut self.flows[index];
        links.remove(&mut flow.order, slot);
        flow.waiting -= 1;
        flow.cost.subtract(&cost_of(job));
        self.waiting -= 1;
        self.find_next();
    }

    /// Removes a job at its turn, which its flow is charged for.
    pub(super) fn serve(&mut self, links: &mut Links, slot: Slot, job: &Job) {
        let (index, units) = (self.flow(job), self.units(&cost_of(job)));
        let flow = &mut self.flows[index];
        debug_assert_eq!(flow.order.first(), Some(slot), "invariant: the first job of a flow has its turn");
        self.last_tag = self.last_tag.max(flow.tag);
        flow.tag += units;
        let tag = flow.tag;
        self.remove(links, slot, job);
        if self.is_empty() {
            // All flows that wait next start at one tag.
            self.last_tag = self.last_tag.max(tag);
        }
    }

    /// Returns what the jobs cost together that have their turn before a job that arrives now; `None` if none waits. Jobs that arrive later
    /// may go before it, too.
    pub(super) fn cost_ahead(&self, job: &Job) -> Option<Charge> {
        if self.is_empty() {
            return None;
        }
        let index = self.flow(job);
        let own = self.flows.get(index).unwrap_or(&Flow::EMPTY);
        let own_tag = if own.order.is_empty() { own.tag.max(self.last_tag) } else { own.tag };
        let tag = own_tag + self.units(&own.cost);
        let mut ahead = own.cost;
        for (other, flow) in self.flows.iter().enumerate() {
            if other != index && flow.waiting > 0 {
                let units = self.units(&flow.cost);
                ahead.add(&flow.cost.part(tag.saturating_sub(flow.tag).min(units), units));
            }
        }
        Some(ahead)
    }

    /// Returns what all jobs that wait cost together.
    pub(super) fn cost(&self) -> Charge {
        let mut sum = Charge::ZERO;
        self.flows.iter().for_each(|flow| sum.add(&flow.cost));
        sum
    }

    /// Returns the number of the flow of a job.
    fn flow(&self, job: &Job) -> usize {
        if self.fairness == Fairness::Off { 0 } else { job.flow.index() }
    }

    /// Returns the units that flows share equally.
    fn units(&self, cost: &Charge) -> u64 {
        match self.fairness {
            Fairness::Off => 0,
            Fairness::Requests => cost.units_on(Axis::Rpm),
            Fairness::Tokens => cost.units_on(Axis::Tpm),
        }
    }

    /// Finds the flow whose turn is next: that with the lowest tag; at equal tags that with the lowest number.
    fn find_next(&mut self) {
        let waiting = self.flows.iter().enumerate().filter(|(_, flow)| flow.waiting > 0);
        self.next = waiting.min_by_key(|(_, flow)| flow.tag).map(|(index, _)| index);
    }
}
