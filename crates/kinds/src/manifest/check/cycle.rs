//! Cycles: steps that wait for each other.

use super::{
    super::{Parsed, PipelineSpec},
    Findings,
    steps::Edge,
};
use crate::{Finding, Severity};

/// The most steps of a cycle that are named.
const NAMED: usize = 12;

/// Where the search stands with a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Reports each group of steps that wait for each other once, naming the steps in order.
pub(super) fn check(parsed: &Parsed, spec: &PipelineSpec, edges: &[Vec<Edge>], findings: &mut Findings) {
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        // Each entry: a step and how many of its edges were followed. No recursion: chains may be long.
        let mut path = vec![(start, 0)];
        marks[start] = Mark::Open;
        let mut reported = false;
        while let Some((step, followed)) = path.last_mut() {
            let step = *step;
            let Some(edge) = edges[step].get(*followed) else {
                marks[step] = Mark::Done;
                path.pop();
                continue;
            };
            *followed += 1;
            match marks[edge.on] {
                Mark::New => {
                    marks[edge.on] = Mark::Open;
                    path.push((edge.on, 0));
                }
                Mark::Open if !reported => {
                    reported = true;
                    let from = path.iter().position(|(step, _)| *step == edge.on).unwrap_or(0);
                    let cycle: Vec<usize> = path[from..].iter().map(|(step, _)| *step).collect();
                    findings.add(|| finding(parsed, spec, edges, &cycle));
                }
                Mark::Open | Mark::Done => {}
            }
        }
    }
}

/// Describes a cycle from its first step in the file on; each step waits for the next.
fn finding(parsed: &Parsed, spec: &PipelineSpec, edges: &[Vec<Edge>], cycle: &[usize]) -> Finding {
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at]).unwrap_or(0);
    let order: Vec<usize> = cycle[first..].iter().chain(&cycle[..first]).copied().collect();
    let next = order.get(1).or(order.first()).copied().unwrap_or(0);
    let edge = edges[order[0]].iter().find(|edge| edge.on == next);
    let field = edge.map_or_else(|| format!("spec.steps[{}]", order[0]), |edge| edge.field.clone());
    let name = |step: usize| spec.steps[step].name.to_string();
    let message = if order.len() == 1 {
        format!("the step `{}` waits for itself", name(order[0]))
    } else {
        let mut names: Vec<String> = order.iter().take(NAMED).map(|step| name(*step)).collect();
        if order.len() > NAMED {
            names.push("…".to_owned());
        }
        names.push(name(order[0]));
        format!("these steps wait for each other: {}", names.join(" → "))
    };
    parsed.finding(Severity::Error, &field, message, Some("take one of these inputs or needs away".to_owned()))
}
