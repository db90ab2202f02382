//! The law: a figure does not grow.

/// The middle of some values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The medians of the second and of the last quarter. The first one is for tables and caches to fill.
pub fn quarters(values: &[f64]) -> (f64, f64) {
    let quarter = values.len() / 4;
    (median(&values[quarter..2 * quarter]), median(&values[values.len() - quarter..]))
}

/// Returns `true` if the figure is in the end what it was before, but for a tenth and a slack.
pub fn is_flat(values: &[f64], slack: f64) -> bool {
    let (before, after) = quarters(values);
    after <= before * 1.1 + slack
}

#[test]
fn what_goes_up_and_down_is_flat_and_what_leaks_is_not() {
    let busy = |at: i32| 1000.0 + f64::from(at * 7919 % 101) * 10.0;
    let steady: Vec<f64> = (0..400).map(busy).collect();
    assert!(is_flat(&steady, 0.0));
    let filling: Vec<f64> = (0..400).map(|at| busy(at) * f64::from(at.min(90)) / 90.0).collect();
    assert!(is_flat(&filling, 0.0), "it fills in the first quarter");
    let peak: Vec<f64> =
        (0..400).map(|at| busy(at) + f64::from(i32::from(at == 399)) * 1e9).collect();
    assert!(is_flat(&peak, 0.0), "a moment is no growth");
    let leaking: Vec<f64> = (0..400).map(|at| busy(at) + f64::from(at)).collect();
    assert!(!is_flat(&leaking, 0.0));
    assert!(is_flat(&leaking, 200.0));
}
