//! Measures, drift and intervals beside scipy and scikit-learn, and our Parquet as pandas reads it.
//!
//! `differential.py` makes the cases and their answers anew each time. The interpreter is the one that
//! `WINDLASS_TEST_PYTHON` names, else that of the environment which `cargo xtask test` sets up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_data::{
    compare::{Paired, compare},
    drift::drift_column,
    measure::measure,
    sketch::ColumnSketch,
    table::{Table, Values, write_parquet},
};
use windlass_kinds::{DriftMeasure, Measure};

/// Runs the script, if there is a Python for it.
fn python(arguments: &[&Path]) -> Option<Value> {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/bin/python");
    let named = std::env::var_os("WINDLASS_TEST_PYTHON").map(PathBuf::from);
    let Some(python) = named.or_else(|| set_up.exists().then_some(set_up)) else {
        assert!(std::env::var_os("CI").is_none(), "WINDLASS_TEST_PYTHON names no Python with scikit-learn");
        eprintln!("SKIPPED: no Python with scikit-learn; run `cargo xtask test set-up`, or set WINDLASS_TEST_PYTHON");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/differential.py");
    let output = Command::new(python).arg(script).args(arguments).env("OMP_NUM_THREADS", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    items(value).iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

fn column(value: &Value) -> Values {
    match items(value).iter().any(Value::is_string) {
        true => Values::Text(items(value).iter().map(|value| value.as_str().map(str::to_owned)).collect()),
        false => Values::Number(numbers(value)),
    }
}

fn assert_close(found: f64, expected: f64, tolerance: f64, case: &str) {
    let most = tolerance * expected.abs().max(1.0);
    assert!((found - expected).abs() <= most, "{case}: {found}, expected {expected}");
}

#[test]
fn values_are_those_of_scipy_and_scikit_learn() {
    let Some(cases) = python(&[]) else { return };
    let mut count = 0;
    for case in items(&cases["measures"]) {
        let name: Measure = case["measure"].as_str().unwrap().parse().unwrap();
        let (label, prediction) = (numbers(&case["label"]), numbers(&case["prediction"]));
        let found = measure(name, &label, &prediction).unwrap();
        let expected = case["value"].as_f64().unwrap();
        // Relative, so that small scales are held to it too.
        let most = 1e-9 * expected.abs().max(f64::MIN_POSITIVE);
        assert!((found - expected).abs() <= most, "{name} of {}: {found}, expected {expected}", label.len());
        count += 1;
    }
    assert!(count > 100, "{count}");
    for case in items(&cases["drift"]) {
        let reference = ColumnSketch::of("a", &column(&case["reference"]));
        let window = column(&case["window"]);
        for (name, expected) in case["values"].as_object().unwrap() {
            let name: DriftMeasure = name.parse().unwrap();
            let found = drift_column(&reference, &window, &[name])[0].clone().unwrap();
            let by_steps = matches!(name, DriftMeasure::Ks | DriftMeasure::Wasserstein);
            let tolerance = if by_steps && case["exact"] == json!(false) { 0.001 } else { 1e-9 };
            let sizes = (items(&case["reference"]).len(), window.len());
            assert_close(found, expected.as_f64().unwrap(), tolerance, &format!("{name} of {sizes:?}"));
        }
    }
    for case in items(&cases["bootstrap"]) {
        let gains: Vec<Vec<f64>> = items(&case["gains"]).iter().map(numbers).collect();
        let (mut keys, mut clusters, mut champion) = (Vec::new(), Vec::new(), Vec::new());
        for (cluster, gains) in gains.iter().enumerate() {
            for (row, gain) in gains.iter().enumerate() {
                keys.push(format!("{cluster}/{row}"));
                clusters.push(cluster.to_string());
                // Errors of 100 and of 100 more the gain: the difference of their means is the mean gain.
                champion.push(100.0 + gain);
            }
        }
        let (label, candidate) = (vec![0.0; champion.len()], vec![100.0; champion.len()]);
        let rows = Paired {
            keys: &keys,
            clusters: Some(&clusters),
            label: &label,
            candidate: &candidate,
            champion: &champion,
        };
        let found = compare(Measure::Mae, &rows, 0.95, 20_000).unwrap();
        let (low, high) = (case["low"].as_f64().unwrap(), case["high"].as_f64().unwrap());
        // Both draw at random, differently: ends differ by some hundredths of the width.
        let tolerance = (high - low) * 0.04;
        assert!((found.low - low).abs() < tolerance && (found.high - high).abs() < tolerance, "{found:?} {low} {high}");
    }
}

#[test]
fn pandas_reads_what_we_write() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("table.parquet");
    let table = Table::new(vec![
        ("number".to_owned(), Values::Number(vec![0.5, f64::NAN])),
        ("int".to_owned(), Values::Int(vec![Some(7), Some(-8)])),
        ("text".to_owned(), Values::Text(vec![Some("ä".to_owned()), None])),
        ("time".to_owned(), Values::Time(vec![Some(1_362_132_000_000_001), None])),
        ("bool".to_owned(), Values::Bool(vec![Some(true), Some(false)])),
    ])
    .unwrap();
    write_parquet(fs::File::create(&path).unwrap(), &table).unwrap();
    let Some(read) = python(&[&path]) else { return };
    assert_eq!(
        read,
        json!({
            "types": {"number": "float64", "int": "int64", "text": "object", "time": "datetime64[us, UTC]", "bool": "bool"},
            "rows": [
                ["0.5", "7", "ä", "2013-03-01 10:00:00.000001+00:00", "True"],
                ["None", "-8", "None", "None", "False"],
            ],
        })
    );
}
