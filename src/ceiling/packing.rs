//! The linear programme behind the ceiling: how much fits where nothing may be overdrawn.
//!
//! A plain simplex on a dense table. Nothing used at all is always allowed, so it starts there without a
//! first phase; entering and leaving by the smallest index, it never cycles (R. G. Bland, Mathematics of
//! Operations Research 2(2), 1977). The price of each row falls out of the last table: what one more unit
//! of its bound would be worth. Programmes are tiny (workloads × targets), and adding and multiplying
//! doubles gives the same bits on every machine, which a vectorised solver does not promise.

/// Smaller differences are rounding; the rows are expected to be scaled to about one.
const ROUNDING: f64 = 1e-11;
/// Far more pivots than any scenario needs; what is found by then is allowed, if perhaps not the best.
const MOST_PIVOTS: usize = 100_000;

/// The best there is.
#[derive(Clone, Debug)]
pub(super) struct Optimum {
    /// The gain.
    pub(super) value: f64,
    /// Per row, what one more unit of its bound would add to the gain.
    pub(super) prices: Vec<f64>,
}

/// The largest `gain · x` over all `x` that are not negative and keep every `row · x <= bound`. Bounds
/// are not negative. A direction in which the gain grows without bound is not taken.
pub(super) fn maximise(gain: &[f64], rows: &[Vec<f64>], bounds: &[f64]) -> Optimum {
    let mut table = Table::new(gain, rows, bounds);
    for _ in 0..MOST_PIVOTS {
        let Some((row, column)) = table.pivot_element() else { break };
        table.pivot(row, column);
    }
    let cost = &table.rows[rows.len()];
    Optimum { value: cost[table.width], prices: cost[gain.len()..table.width].to_vec() }
}

/// One row per constraint, the costs as the last; columns are variables, then slacks, then the bounds.
struct Table {
    rows: Vec<Vec<f64>>,
    /// The variable that each row defines.
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

    /// Where to go on; `None` at the best.
    fn pivot_element(&self) -> Option<(usize, usize)> {
        let cost = self.rows.last()?;
        let mut enters = (0..self.width).filter(|&column| cost[column] < -ROUNDING);
        enters.find_map(|column| Some((self.leaves(column)?, column)))
    }

    /// The row that first forbids more of a column; the smallest variable where several do.
    fn leaves(&self, column: usize) -> Option<usize> {
        let room = |row: usize| self.rows[row][self.width] / self.rows[row][column];
        (0..self.basis.len()).filter(|&row| self.rows[row][column] > ROUNDING).min_by(|&one, &other| {
            room(one).total_cmp(&room(other)).then(self.basis[one].cmp(&self.basis[other]))
        })
    }

    fn pivot(&mut self, row: usize, column: usize) {
        let mut chosen = std::mem::take(&mut self.rows[row]);
        let by = chosen[column];
        chosen.iter_mut().for_each(|value| *value /= by);
        for other in self.rows.iter_mut().filter(|other| !other.is_empty()) {
            let times = other[column];
            if times != 0.0 {
                other.iter_mut().zip(&chosen).for_each(|(value, chosen)| *value -= times * chosen);
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
    fn a_textbook_programme() {
        // Dantzig's: 3x + 5y with x <= 4, 2y <= 12, 3x + 2y <= 18: (2, 6) gains 36 at prices 0, 3/2, 1.
        let rows = [vec![1.0, 0.0], vec![0.0, 2.0], vec![3.0, 2.0]];
        let best = maximise(&[3.0, 5.0], &rows, &[4.0, 12.0, 18.0]);
        assert!((best.value - 36.0).abs() < 1e-12);
        assert_eq!(best.prices, [0.0, 1.5, 1.0]);
    }

    #[test]
    fn the_classic_cycle_is_left() {
        // E. M. L. Beale's example (1955), on which the largest-coefficient rule goes round for ever.
        let gain = [0.75, -150.0, 0.02, -6.0];
        let rows = [vec![0.25, -60.0, -0.04, 9.0], vec![0.5, -90.0, -0.02, 3.0], vec![0.0, 0.0, 1.0, 0.0]];
        let best = maximise(&gain, &rows, &[0.0, 0.0, 1.0]);
        assert!((best.value - 0.05).abs() < 1e-12, "{best:?}");
    }

    /// The best corner of a programme in two variables, found by trying each.
    fn best_corner(gain: &[f64], rows: &[Vec<f64>], bounds: &[f64]) -> f64 {
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
        // The first row holds every variable, so that nothing grows for ever.
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
        fn in_the_plane_it_is_the_best_corner((gain, rows, bounds) in programme(2)) {
            let best = maximise(&gain, &rows, &bounds).value;
            let corner = best_corner(&gain, &rows, &bounds);
            prop_assert!((best - corner).abs() < 1e-6 * (1.0 + corner), "{best} {corner}");
        }

        /// Prices that cover every variable's gain prove that nothing gains more than they cost (duality).
        #[test]
        fn the_prices_prove_that_nothing_is_better((gain, rows, bounds) in programme(6)) {
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
