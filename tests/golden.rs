//! Golden files: output that was reviewed once, compared with the output of today.

use std::fs;
use std::path::Path;

/// Compares `actual` with `tests/golden/NAME.txt` and shows the first line that differs from both sides.
/// `QUOTALAB_BLESS=1` writes the file instead.
pub(crate) fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    let actual = format!("{}\n", actual.trim_end());
    if std::env::var_os("QUOTALAB_BLESS").is_some() {
        fs::write(&path, &actual).expect("golden files can be written");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let lines = expected.lines().zip(actual.lines()).enumerate();
    let (expected_count, actual_count) = (expected.lines().count(), actual.lines().count());
    for (index, (expected, actual)) in lines {
        assert_eq!(
            expected,
            actual,
            "line {} of {} (left: golden, right: now; QUOTALAB_BLESS=1 accepts)",
            index + 1,
            path.display()
        );
    }
    assert_eq!(expected_count, actual_count, "lines of {} (QUOTALAB_BLESS=1 accepts)", path.display());
}
