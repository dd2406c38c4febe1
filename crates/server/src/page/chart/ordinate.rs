//! An axis of numbers or of words: whichever the values are.

use super::{Scale, extent, named, ticks};
use crate::page::component::number;

/// How many words get a place of their own; the others share the last.
const WORDS: usize = 12;

/// A value on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Coordinate {
    /// A finite number.
    Number(f64),
    /// A text.
    Word(String),
}

impl Coordinate {
    /// Says it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Number(value) => number(*value),
            Self::Word(word) => word.clone(),
        }
    }
}

/// An axis: numbers where all values are numbers, else a place for each word.
pub(super) struct Ordinate {
    scale: Scale,
    words: Option<Vec<String>>,
    /// The places that get a name: the pixel and the name.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Ordinate {
    /// Lays an axis through values, onto pixels `from..to`.
    pub(super) fn new<'a>(
        values: impl Iterator<Item = &'a Coordinate> + Clone,
        from: f64,
        to: f64,
        wanted: usize,
    ) -> Self {
        let numbers = || {
            values.clone().map(|value| match value {
                Coordinate::Number(value) => Some(*value),
                Coordinate::Word(_) => None,
            })
        };
        if numbers().all(|value| value.is_some())
            && let Some((low, high)) = extent(numbers().flatten())
        {
            let round = ticks(low, high, wanted);
            let low = round.first().map_or(low, |tick| tick.min(low));
            let high = round.last().map_or(high, |tick| tick.max(high));
            let scale = Scale::new(low, high, from, to);
            return Self {
                scale,
                words: None,
                ticks: named(round).into_iter().map(|(tick, name)| (scale.at(tick), name)).collect(),
            };
        }
        let mut words: Vec<String> = values.map(Coordinate::shown).collect();
        words.sort();
        words.dedup();
        if words.len() > WORDS {
            words.truncate(WORDS - 1);
            words.push("others".to_owned());
        }
        let scale = Scale::new(-0.5, words.len().max(1) as f64 - 0.5, from, to);
        let ticks = words.iter().enumerate().map(|(place, word)| (scale.at(place as f64), word.clone())).collect();
        Self { scale, words: Some(words), ticks }
    }

    /// Returns where a value lies.
    pub(super) fn at(&self, value: &Coordinate) -> f64 {
        match (&self.words, value) {
            (None, Coordinate::Number(value)) => self.scale.at(*value),
            (None, Coordinate::Word(_)) => self.scale.from,
            (Some(words), value) => {
                let shown = value.shown();
                let place = words.iter().position(|word| *word == shown);
                self.scale.at(place.unwrap_or(words.len().saturating_sub(1)) as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_places_and_numbers_a_scale() {
        let numbers = [Coordinate::Number(0.0), Coordinate::Number(10.0)];
        let axis = Ordinate::new(numbers.iter(), 0.0, 100.0, 2);
        assert_eq!((axis.at(&numbers[0]), axis.at(&numbers[1])), (0.0, 100.0));
        let mixed = [Coordinate::Number(0.0), Coordinate::Word("b".to_owned())];
        let axis = Ordinate::new(mixed.iter(), 0.0, 100.0, 2);
        assert_eq!(axis.ticks, [(25.0, "0".to_owned()), (75.0, "b".to_owned())]);
        assert_eq!(axis.at(&mixed[1]), 75.0);
        let many: Vec<Coordinate> = (0..100).map(|place| Coordinate::Word(format!("w{place:03}"))).collect();
        let axis = Ordinate::new(many.iter(), 0.0, 100.0, 2);
        assert_eq!((axis.ticks.len(), axis.at(&many[99])), (WORDS, axis.ticks[WORDS - 1].0));
        assert_eq!(Ordinate::new([].iter(), 0.0, 1.0, 2).ticks, []);
    }
}
