//! What drift and a join of labels cost, for `cargo xtask bench drift`: one line of JSON with seconds on the wall, seconds
//! of all processors together, and megabytes.
//!
//! `drift REFERENCE.parquet WINDOW.parquet` reads both, sketches the first and measures the second by everything there
//! is. `drift join ROWS` joins as many labels with predictions as there are rows.

use std::{env, error::Error, fs, path::Path, time::Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use windlass_data::{
    drift::drift,
    labels::join,
    sketch::Sketch,
    table::{TableLimits, read_table},
};
use windlass_kinds::DriftMeasure;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["join", rows] => joined(rows.parse()?),
        [reference, window] => drifted(Path::new(reference), Path::new(window)),
        _ => Err("usage: drift REFERENCE WINDOW | drift join ROWS".into()),
    }
}

fn drifted(reference: &Path, window: &Path) -> Result<(), Box<dyn Error>> {
    let begun = Begun::now();
    let read = |path: &Path| read_table(path, None, None, &TableLimits::default());
    // As in use: a sketch is kept, the table it was made of is not.
    let sketch = Sketch::from_json(&Sketch::of(&read(reference)?).to_json())?;
    let measured = drift(&sketch, &read(window)?, None, &DriftMeasure::ALL);
    let cost = begun.cost()?;
    let values = measured.iter().filter(|drifted| drifted.value.is_ok()).count();
    println!("{}", json!({"cost": cost, "values": values, "sketch_bytes": sketch.to_json().len()}));
    Ok(())
}

fn joined(rows: usize) -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = (0..rows).map(|row| format!("2013-03-01T10:00:00Z/UA/{row}")).collect();
    // Every label comes with a copy of the name of its own and in another order, as from a file.
    let labels: Vec<String> = names.iter().rev().cloned().collect();
    let begun = Begun::now();
    let joined = join(names.iter().map(String::as_str), labels.iter().map(|name| (name.as_str(), 1.0)));
    println!("{}", json!({"cost": begun.cost()?, "rows": joined.rows.len()}));
    Ok(())
}

/// When a piece of work began.
struct Begun {
    wall: Instant,
    processor: f64,
}

impl Begun {
    fn now() -> Self {
        Self { wall: Instant::now(), processor: processor() }
    }

    fn cost(&self) -> Result<Value, Box<dyn Error>> {
        let (seconds, processor) = (self.wall.elapsed().as_secs_f64(), processor() - self.processor);
        Ok(json!({"seconds": seconds, "processor": processor, "megabytes": megabytes()?}))
    }
}

/// Returns the seconds that all threads of this process have worked.
fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the most memory that this process ever held, as Linux tells.
fn megabytes() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
