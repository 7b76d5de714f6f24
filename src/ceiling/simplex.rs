//! Solves a linear programme by the simplex method on a dense tableau.
//!
//! The origin is always feasible, so there is no first phase. The entering variable is that of the largest gain per unit
//! (G. B. Dantzig) or, after many pivots without a gain, that of the smallest index, which prevents cycling (R. G. Bland,
//! Mathematics of Operations Research 2(2), 1977). The last tableau contains the shadow price of each row: the gain of one more
//! unit of its bound. Programmes are small (classes of jobs × targets), and scalar arithmetic gives the same bits on every
//! machine, which a vectorised solver does not guarantee.

/// Values up to this count as zero; rows must be scaled to about one.
const EPSILON: f64 = 1e-11;
/// The maximum number of pivots, far above what a scenario needs. The result after that is feasible, possibly not optimal.
const MAX_PIVOTS: usize = 100_000;

/// The rule changes after this number of consecutive pivots without a gain, or after twice the number of rows if that is larger,
/// since from the origin each row may need a pivot before the first gain.
const MIN_PIVOTS_BEFORE_CHANGE: usize = 64;

/// How the entering variable is chosen among those with a gain.
#[derive(Clone, Copy, Debug)]
enum Entering {
    LargestGain,
    SmallestIndex,
}

/// The solution of a linear programme.
#[derive(Clone, Debug)]
pub(super) struct Optimum {
    /// The maximum gain.
    pub(super) value: f64,
    /// The shadow price of each row: the gain of one more unit of its bound.
    pub(super) prices: Vec<f64>,
}

/// Maximises `gain · x` over all `x >= 0` with `row · x <= bound` for every row. Bounds must not be negative. Directions
/// in which the gain is unbounded are ignored.
pub(super) fn maximise(gain: &[f64], rows: &[Vec<f64>], bounds: &[f64]) -> Optimum {
    debug_assert!(bounds.iter().all(|bound| *bound >= 0.0), "invariant: bounds >= 0, found {bounds:?}");
    let mut table = Table::new(gain, rows, bounds);
    let (mut without_gain, max_without_gain) = (0, MIN_PIVOTS_BEFORE_CHANGE.max(2 * rows.len()));
    for _ in 0..MAX_PIVOTS {
        let rule =
            if without_gain < max_without_gain { Entering::LargestGain } else { Entering::SmallestIndex };
        let Some((row, column)) = table.pivot_element(rule) else { break };
        let before = table.value();
        table.pivot(row, column);
        without_gain = if table.value() > before { 0 } else { without_gain + 1 };
    }
    let cost = &table.rows[rows.len()];
    Optimum { value: table.value(), prices: cost[gain.len()..table.width].to_vec() }
}

/// The tableau: one row per constraint and the costs as the last row; columns are variables, slacks, the bounds.
struct Table {
    rows: Vec<Vec<f64>>,
    /// The basic variable of each row.
    basis: Vec<usize>,
    width: usize,
}

impl Table {
    fn new(gain: &[f64], rows: &[Vec<f64>], bounds: &[f64]) -> Self {
        let width = gain.len() + rows.len();
        let slack = |row: usize| (0..rows.len()).map(move |other| if row == other { 1.0 } else { 0.0 });
        let mut table: Vec<Vec<f64>> = (0..)
            .zip(rows.iter().zip(bounds))
            .map(|(index, (row, bound))| row.iter().copied().chain(slack(index)).chain([*bound]).collect())
            .collect();
        let mut cost: Vec<f64> = gain.iter().map(|gain| -gain).collect();
        cost.resize(width + 1, 0.0);
        table.push(cost);
        Self { rows: table, basis: (gain.len()..width).collect(), width }
    }

    /// Returns the gain of the present solution.
    fn value(&self) -> f64 {
        self.rows.last().map_or(0.0, |cost| cost[self.width])
    }

    /// Returns the row and column of the next pivot, or `None` at the optimum.
    fn pivot_element(&self, rule: Entering) -> Option<(usize, usize)> {
        let cost = self.rows.last()?;
        let mut entering: Vec<usize> = (0..self.width).filter(|&column| cost[column] < -EPSILON).collect();
        if matches!(rule, Entering::LargestGain) {
            entering.sort_by(|&one, &other| cost[one].total_cmp(&cost[other]).then(one.cmp(&other)));
        }
        entering.into_iter().find_map(|column| Some((self.leaving_row(column)?, column)))
    }

    /// Returns the row with the smallest ratio of bound to coefficient; of equal ones, that of the smallest variable.
    fn leaving_row(&self, column: usize) -> Option<usize> {
        let ratio = |row: usize| self.rows[row][self.width] / self.rows[row][column];
        (0..self.basis.len()).filter(|&row| self.rows[row][column] > EPSILON).min_by(|&one, &other| {
            ratio(one).total_cmp(&ratio(other)).then(self.basis[one].cmp(&self.basis[other]))
        })
    }

    fn pivot(&mut self, row: usize, column: usize) {
        let mut chosen = std::mem::take(&mut self.rows[row]);
        let pivot = chosen[column];
        chosen.iter_mut().for_each(|value| *value /= pivot);
        for other in self.rows.iter_mut().filter(|other| !other.is_empty()) {
            let factor = other[column];
            if factor != 0.0 {
                other.iter_mut().zip(&chosen).for_each(|(value, chosen)| *value -= factor * chosen);
            }
        }
        self.rows[row] = chosen;
        self.basis[row] = column;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_textbook_programme_is_solved() {
        // The Wyndor Glass example of Hillier and Lieberman: 3x + 5y with x <= 4, 2y <= 12, 3x + 2y <= 18: (2, 6) gains 36 at
        // prices 0, 3/2, 1.
        let rows = [vec![1.0, 0.0], vec![0.0, 2.0], vec![3.0, 2.0]];
        let best = maximise(&[3.0, 5.0], &rows, &[4.0, 12.0, 18.0]);
        assert!((best.value - 36.0).abs() < 1e-12);
        assert_eq!(best.prices, [0.0, 1.5, 1.0]);
    }

    #[test]
    fn beales_cycling_example_is_solved() {
        // E. M. L. Beale's example (1955), on which the largest-coefficient rule cycles.
        let gain = [0.75, -150.0, 0.02, -6.0];
        let rows = [vec![0.25, -60.0, -0.04, 9.0], vec![0.5, -90.0, -0.02, 3.0], vec![0.0, 0.0, 1.0, 0.0]];
        let best = maximise(&gain, &rows, &[0.0, 0.0, 1.0]);
        assert!((best.value - 0.05).abs() < 1e-12, "{best:?}");
    }

    /// Returns the maximum gain over all vertices of a programme in two variables.
    fn best_vertex(gain: &[f64], rows: &[Vec<f64>], bounds: &[f64]) -> f64 {
        let mut lines: Vec<([f64; 2], f64)> =
            rows.iter().zip(bounds).map(|(row, b)| ([row[0], row[1]], *b)).collect();
        lines.extend([([1.0, 0.0], 0.0), ([0.0, 1.0], 0.0)]);
        let mut best: f64 = 0.0;
        for (i, ([a, b], e)) in lines.iter().enumerate() {
            for ([c, d], f) in &lines[..i] {
                let det = a * d - b * c;
                let (x, y) = ((e * d - b * f) / det, (a * f - e * c) / det);
                let allowed = |(row, bound): (&Vec<f64>, &f64)| row[0] * x + row[1] * y <= bound + 1e-9;
                if det.abs() > 1e-12 && x >= -1e-12 && y >= -1e-12 && rows.iter().zip(bounds).all(allowed) {
                    best = best.max(gain[0] * x + gain[1] * y);
                }
            }
        }
        best
    }

    fn programme(variables: usize) -> impl Strategy<Value = (Vec<f64>, Vec<Vec<f64>>, Vec<f64>)> {
        let gain = prop::collection::vec(0.0..3.0f64, variables);
        // The first row bounds every variable, so the gain is bounded.
        let first = prop::collection::vec(0.1..2.0f64, variables);
        let row = (
            prop::collection::vec(prop_oneof![Just(0.0), -0.5..2.0f64], variables),
            prop_oneof![Just(0.0), 0.1..3.0f64],
        );
        (gain, first, prop::collection::vec(row, 0..6)).prop_map(|(gain, first, rows)| {
            let (mut rows, mut bounds): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            rows.push(first);
            bounds.push(1.0);
            (gain, rows, bounds)
        })
    }

    proptest! {
        #[test]
        fn in_two_variables_the_optimum_is_at_a_vertex((gain, rows, bounds) in programme(2)) {
            let best = maximise(&gain, &rows, &bounds).value;
            let vertex = best_vertex(&gain, &rows, &bounds);
            prop_assert!((best - vertex).abs() < 1e-6 * (1.0 + vertex), "{best} {vertex}");
        }

        /// Duality: prices that cover the gain of every variable prove that the solution is optimal.
        #[test]
        fn the_prices_prove_optimality((gain, rows, bounds) in programme(6)) {
            let Optimum { value, prices } = maximise(&gain, &rows, &bounds);
            prop_assert!(prices.iter().all(|price| *price >= -1e-9));
            for (column, gain) in gain.iter().enumerate() {
                let cost: f64 = rows.iter().zip(&prices).map(|(row, price)| row[column] * price).sum();
                prop_assert!(cost >= gain - 1e-7, "{cost} {gain}");
            }
            let cost: f64 = bounds.iter().zip(&prices).map(|(bound, price)| bound * price).sum();
            prop_assert!((cost - value).abs() < 1e-7 * (1.0 + value));
        }
    }
}
