//! Critical values of Student's t distribution.

/// Returns the `t` that a variable with `degrees` degrees of freedom exceeds with probability `tail`.
///
/// `degrees` must be at least 1 and `tail` in `(0, 0.5)`. Found by bisection to a relative error of 1e-9.
#[must_use]
pub fn critical_t(degrees: f64, tail: f64) -> f64 {
    assert!(degrees >= 1.0 && tail > 0.0 && tail < 0.5, "{degrees} degrees of freedom, tail {tail}");
    let mut high = 1.0;
    while upper_tail(high, degrees) > tail && high < 1e300 {
        high *= 2.0;
    }
    let mut low = 0.0;
    while high - low > 1e-9 * high {
        let middle = f64::midpoint(low, high);
        if upper_tail(middle, degrees) > tail { low = middle } else { high = middle }
    }
    high
}

/// Returns the probability of exceeding `t >= 0`: half the regularised incomplete beta function
/// `I_x(d/2, 1/2)` at `x = d / (d + t²)` (Abramowitz and Stegun 26.7.1).
fn upper_tail(t: f64, degrees: f64) -> f64 {
    0.5 * incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// Returns the regularised incomplete beta function `I_x(a, b)`, by its continued fraction, which converges fast for `x` below
/// `(a + 1) / (a + b + 2)`; above, `1 - I_{1-x}(b, a)` is used. Source: Numerical Recipes, section 6.4.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x),
    );
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(x, a, b) / a
    } else {
        1.0 - front * continued_fraction(1.0 - x, b, a) / b
    }
}

/// Evaluates the continued fraction of [`incomplete_beta`] by the modified Lentz algorithm.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    const MAX_TERMS: u32 = 500;
    const TINY: f64 = 1e-300;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..=MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = value;
        for coefficient in [even, odd] {
            d = 1.0 / nonzero(1.0 + coefficient * d);
            c = nonzero(1.0 + coefficient / c);
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

    /// Values from printed tables; one degree of freedom is Cauchy's distribution, many approach the normal one.
    #[test]
    fn critical_values_agree_with_printed_tables() {
        for (degrees, tail, t) in [
            (1.0, 0.025, 12.706_205),
            (2.0, 0.05, 2.919_986),
            (7.0, 0.005, 3.499_483),
            (7.0, 0.0005, 5.407_883),
            (14.0, 0.025, 2.144_787),
            (30.0, 0.01, 2.457_262),
            (1e7, 0.025, 1.959_964),
        ] {
            let found = critical_t(degrees, tail);
            assert!((found - t).abs() < 2e-6 * t, "{degrees} {tail}: {found} is not {t}");
        }
        // One degree of freedom has a closed form: t = cot(π · tail).
        let exact = 1.0 / libm::tan(std::f64::consts::PI * 1e-5);
        assert!((critical_t(1.0, 1e-5) / exact - 1.0).abs() < 1e-6);
    }

    proptest! {
        /// Law: a smaller tail or fewer degrees of freedom give a larger value, and the value has the tail asked for.
        #[test]
        fn a_critical_value_has_the_tail_asked_for(degrees in 1.0f64..200.0, tail in 1e-8f64..0.4, more in 1.01f64..3.0) {
            let t = critical_t(degrees, tail);
            prop_assert!((upper_tail(t, degrees) / tail - 1.0).abs() < 1e-6);
            prop_assert!(critical_t(degrees, tail / more) > t);
            prop_assert!(critical_t(degrees * more, tail) < t);
        }
    }
}
