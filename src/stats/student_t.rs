//! Student's t distribution: how far chance alone throws a mean of a few replicas.

/// The `t` that a variable with `degrees` of freedom exceeds with probability `tail`.
///
/// Found by bisection, to a relative 1e-9; `tail` must lie in `(0, 0.5)` and `degrees` be at least 1.
#[must_use]
pub fn critical(degrees: f64, tail: f64) -> f64 {
    debug_assert!(degrees >= 1.0 && tail > 0.0 && tail < 0.5, "{degrees} degrees, tail {tail}");
    let mut high = 1.0;
    while above(high, degrees) > tail && high < 1e300 {
        high *= 2.0;
    }
    let mut low = 0.0;
    while high - low > 1e-9 * high {
        let middle = f64::midpoint(low, high);
        if above(middle, degrees) > tail { low = middle } else { high = middle }
    }
    high
}

/// The probability of exceeding a `t` of at least zero: half the regularised incomplete beta function
/// `I_x(d/2, 1/2)` at `x = d / (d + t²)` (Abramowitz and Stegun 26.7.1).
fn above(t: f64, degrees: f64) -> f64 {
    0.5 * incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// The regularised incomplete beta function, by its continued fraction (Numerical Recipes §6.4), which
/// converges fast below the mean; above it, the other side is taken.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x),
    );
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// Lentz's evaluation of the continued fraction.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TERMS: u32 = 500;
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..=TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = value;
        for step in [even, odd] {
            d = 1.0 / away(1.0 + step * d);
            c = away(1.0 + step / c);
            value *= d * c;
        }
        if (value - before).abs() <= 1e-14 * value.abs() {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From the tables of the distribution; one degree is Cauchy's, many are the normal's.
    #[test]
    fn it_agrees_with_the_tables() {
        for (degrees, tail, t) in [
            (1.0, 0.025, 12.706_205),
            (2.0, 0.05, 2.919_986),
            (7.0, 0.005, 3.499_483),
            (7.0, 0.0005, 5.407_883),
            (14.0, 0.025, 2.144_787),
            (30.0, 0.01, 2.457_262),
            (1e7, 0.025, 1.959_964),
        ] {
            let found = critical(degrees, tail);
            assert!((found - t).abs() < 2e-6 * t, "{degrees} {tail}: {found} is not {t}");
        }
        // One degree of freedom has a closed form: t = cot(π · tail).
        let exact = 1.0 / libm::tan(std::f64::consts::PI * 1e-5);
        assert!((critical(1.0, 1e-5) / exact - 1.0).abs() < 1e-6);
    }

    proptest! {
        /// Law: less doubt or fewer degrees ask for more distance, and what is asked for has the tail it should.
        #[test]
        fn it_inverts_its_tail(degrees in 1.0f64..200.0, tail in 1e-8f64..0.4, more in 1.01f64..3.0) {
            let t = critical(degrees, tail);
            prop_assert!((above(t, degrees) / tail - 1.0).abs() < 1e-6);
            prop_assert!(critical(degrees, tail / more) > t);
            prop_assert!(critical(degrees * more, tail) < t);
        }
    }
}
