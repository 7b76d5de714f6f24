//! Golden files: reviewed output, with which the current output is compared.

use std::fs;
use std::path::Path;

/// Compares with `tests/golden/NAME.txt`; see [`check_file`].
pub(crate) fn check(name: &str, actual: &str) {
    check_file(&format!("tests/golden/{name}.txt"), actual);
}

/// Compares with a file of the repository and shows the first line that differs, from both sides. With
/// `UPDATE_GOLDEN=1` it writes the file instead.
pub(crate) fn check_file(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let actual = format!("{}\n", actual.trim_end());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
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
            "line {} of {} (left: golden, right: now; UPDATE_GOLDEN=1 accepts)",
            index + 1,
            path.display()
        );
    }
    assert_eq!(expected_count, actual_count, "lines of {} (UPDATE_GOLDEN=1 accepts)", path.display());
}
