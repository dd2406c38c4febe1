//! `windlass monitor show NAME`: what a monitor saw, with a line drawn in characters.

use std::process::ExitCode;

use windlass_api::{MonitorDetail, encode};
use windlass_kinds::record::Observation;

use crate::{
    args::{Global, MonitorCommand},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, out},
};

/// From low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) async fn run(global: &Global, command: MonitorCommand) -> Result<ExitCode, Failure> {
    let MonitorCommand::Show { name } = command;
    let client = connect(global)?;
    let detail: MonitorDetail = client.get(&format!("/api/v1/monitors/{}", encode(&name))).await.map_err(failure)?;
    view::show(global.output, &detail, || show(&detail));
    Ok(ExitCode::SUCCESS)
}

fn show(detail: &MonitorDetail) {
    let MonitorDetail { monitor, spec, observations } = detail;
    out!("{}", format!("{monitor}  {}", spec.description).trim_end());
    let measures: Vec<&String> = observations.last().map(|last| last.values.keys().collect()).unwrap_or_default();
    for measure in &measures {
        let values: Vec<Option<f64>> =
            observations.iter().map(|seen| seen.values.get(*measure).copied().flatten()).collect();
        out!("{measure:>20}  {}", sparkline(&values));
    }
    out!();
    let mut table = Table::new(&["window", "rows", "version", "values", "crossed"]);
    for Observation { window, rows, version, values, unknown, breaches, .. } in observations {
        let shown: Vec<String> = values
            .iter()
            .filter(|(name, _)| !name.contains(':'))
            .map(|(name, value)| value.map_or_else(|| format!("{name} unknown"), |value| format!("{name} {value:.4}")))
            .chain(unknown.first().cloned())
            .collect();
        let crossed: Vec<String> = breaches
            .iter()
            .map(|breach| if breach.warn { format!("(warning) {}", breach.text) } else { breach.text.clone() })
            .collect();
        table.row([
            window.clone(),
            rows.to_string(),
            version.map_or_else(String::new, |version| version.to_string()),
            shown.join(", "),
            crossed.join("; "),
        ]);
    }
    table.print();
    if let Some(last) = observations.last() {
        let counts = &last.basis.counts;
        let told: Vec<String> = counts.iter().map(|(counted, count)| format!("{count} {}", counted.as_str())).collect();
        if !told.is_empty() {
            out!("\nin no value, as of the last window: {}", told.join(", "));
        }
    }
}

/// Draws a series, one character a value; a dot where a value is unknown.
fn sparkline(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    values
        .iter()
        .map(|value| match value {
            None => '·',
            Some(_) if high <= low => BARS[3],
            Some(value) => {
                let place = ((value - low) / (high - low) * 7.0).round();
                // Between 0 and 7 by construction.
                BARS[(0..8_u8).find(|step| f64::from(*step) >= place).map_or(7, usize::from)]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_series_is_drawn() {
        for (values, expected) in
            [(vec![Some(1.0), Some(2.0), Some(8.0)], "▁▂█"), (vec![Some(1.0), None, Some(1.0)], "▄·▄"), (vec![], "")]
        {
            assert_eq!(sparkline(&values), expected);
        }
    }
}
