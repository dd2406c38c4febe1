//! Lists in pieces, with a link to the next and the one before; which piece stands in the URL.

use maud::{Markup, html};

use windlass_kinds::filter::Start;

use super::query::Pairs;

/// How many rows a page of a list has.
pub(super) const ROWS: u32 = 100;
/// The last page that is looked for: what lies behind is found by a filter.
const LAST: u32 = 100_000;

/// Which piece of a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    /// From 1.
    page: u32,
}

impl Paging {
    /// Reads the piece that a URL names; the first where it names none or nonsense.
    pub(super) fn of(pairs: &Pairs) -> Self {
        let page = pairs.get("page").and_then(|text| text.parse().ok()).unwrap_or(1);
        Self { page: page.clamp(1, LAST) }
    }

    /// Returns how many rows come before it.
    pub(super) fn offset(self) -> u64 {
        u64::from(self.page - 1) * u64::from(ROWS)
    }

    /// Returns where it begins.
    pub(super) fn start(self) -> Start {
        match self.offset() {
            0 => Start::First,
            offset => Start::Behind(offset),
        }
    }
}

/// Renders the way to the pieces before and after.
pub(super) fn turns(path: &str, pairs: &Pairs, paging: Paging, shown: usize, more: bool) -> Markup {
    let to = |page: u32| pairs.with("page", (page > 1).then(|| page.to_string()).as_deref()).behind(path);
    html! {
        @if paging.page > 1 || more {
            nav.turns aria-label="Pages of this list" {
                @if paging.page > 1 { a href=(to(paging.page - 1)) rel="prev" { "Before" } }
                span.quiet { (paging.offset() + 1) " to " (paging.offset() + shown as u64) }
                @if more { a href=(to(paging.page + 1)) rel="next" { "Further" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_bounded() {
        for (text, page) in [("", 1), ("3", 3), ("0", 1), ("-1", 1), ("x", 1), ("4000000000", LAST)] {
            let paging = Paging::of(&Pairs::default().with("page", Some(text)));
            assert_eq!(paging.page, page, "{text}");
        }
        assert_eq!((Paging { page: 1 }.start(), Paging { page: 3 }.start()), (Start::First, Start::Behind(200)));
    }
}
