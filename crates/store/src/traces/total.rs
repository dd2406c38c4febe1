//! Tokens and costs of a whole trace, from those of its spans.
//!
//! A span may count for itself or for everything below it. So a span that counts stands for all below it, and what is
//! below it is not added again.

use std::collections::{HashMap, HashSet};

use windlass_kinds::record::{Cost, Tokens};

/// A span as far as totals go.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) tokens: Tokens,
    pub(super) cost: Cost,
}

/// Returns the spans that count: those that have something and no such span above them.
fn counting(nodes: &[Node], has: impl Fn(&Node) -> bool) -> Vec<&Node> {
    let known: HashSet<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    let mut below: HashMap<&str, Vec<&Node>> = HashMap::new();
    let mut waiting = Vec::new();
    for node in nodes {
        match node.parent.as_deref().filter(|parent| known.contains(parent)) {
            Some(parent) => below.entry(parent).or_default().push(node),
            None => waiting.push(node),
        }
    }
    let mut counted = Vec::new();
    // Each span is reached once, from the one span above it; spans that go round in a circle are never reached.
    while let Some(node) = waiting.pop() {
        if has(node) {
            counted.push(node);
        } else if let Some(children) = below.get(node.id.as_str()) {
            waiting.extend(children);
        }
    }
    counted
}

/// Returns the tokens of all spans; none where no span counts any.
pub(super) fn tokens(nodes: &[Node]) -> Option<Tokens> {
    let counted = counting(nodes, |node| node.tokens != Tokens::default());
    if counted.is_empty() {
        return None;
    }
    let sum = |of: fn(&Tokens) -> Option<i64>| {
        counted
            .iter()
            .filter_map(|node| of(&node.tokens))
            .fold(None, |sum: Option<i64>, value| Some(sum.unwrap_or_default().saturating_add(value)))
    };
    Some(Tokens {
        input: sum(|tokens| tokens.input).or(Some(0)),
        output: sum(|tokens| tokens.output).or(Some(0)),
        total: sum(|tokens| tokens.total).or(Some(0)),
        cache_read: sum(|tokens| tokens.cache_read),
        cache_write: sum(|tokens| tokens.cache_write),
        cache_write_long: sum(|tokens| tokens.cache_write_long),
    })
}

/// Returns the cost of all spans; none where no span has one.
pub(super) fn cost(nodes: &[Node]) -> Option<Cost> {
    let counted = counting(nodes, |node| node.cost != Cost::default());
    if counted.is_empty() {
        return None;
    }
    let sum = |of: fn(&Cost) -> Option<f64>| Some(counted.iter().filter_map(|node| of(&node.cost)).sum());
    Some(Cost { input: sum(|cost| cost.input), output: sum(|cost| cost.output), total: sum(|cost| cost.total) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: &str, input: i64) -> Node {
        let tokens = Tokens { input: (input > 0).then_some(input), ..Tokens::default() };
        let cost = Cost { total: (input > 0).then_some(input as f64), ..Cost::default() };
        Node { id: id.to_owned(), parent: (!parent.is_empty()).then(|| parent.to_owned()), tokens, cost }
    }

    #[test]
    fn a_span_that_counts_stands_for_all_below_it() {
        for (nodes, total) in [
            (vec![], None),
            (vec![node("a", "", 0)], None),
            (vec![node("a", "", 0), node("b", "a", 3), node("c", "a", 4)], Some(7)),
            (vec![node("a", "", 9), node("b", "a", 3), node("c", "b", 4)], Some(9)),
            (vec![node("c", "b", 4), node("b", "a", 0), node("a", "", 0)], Some(4)),
            // The span around it has not come yet.
            (vec![node("b", "a", 3)], Some(3)),
            (vec![node("a", "b", 3), node("b", "a", 3)], None),
            (vec![node("a", "a", 3)], None),
        ] {
            assert_eq!(tokens(&nodes).and_then(|tokens| tokens.input), total, "{nodes:?}");
            assert_eq!(cost(&nodes).and_then(|cost| cost.total), total.map(|total| total as f64), "{nodes:?}");
        }
    }
}
