//! From tokens to pieces: keys, values and comparisons, put together as the dialect's SQL parser does it, in one pass.
//!
//! Brackets are taken whole, so nothing here goes deeper with the input.

use std::{collections::HashMap, ops::Range};

use super::lexer::{Kind, Token};

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// A key: words, quoted or not, with full stops between them.
    Key,
    /// A text in single quotes.
    Text,
    /// A whole number.
    Integer,
    /// Another number.
    Float,
    /// Something in round brackets.
    Brackets,
    /// Something computed: `a - b`, `f(x)`.
    Computed,
    /// `=`, `LIKE` and the like, standing alone.
    Comparator,
    /// A keyword, standing alone.
    Keyword,
    /// A comparison of two pieces, or of one with nothing.
    Comparison(Box<Compared>),
    /// A comma.
    Comma,
    /// Anything else.
    Other,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) left: Piece,
    pub(super) comparator: String,
    /// Absent for `IS NULL` and `IS NOT NULL`.
    pub(super) right: Option<Piece>,
}

/// A piece and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: PieceKind,
    pub(super) at: Range<usize>,
}

impl Piece {
    /// Returns whether it is this keyword.
    pub(super) fn is(&self, text: &str, word: &str) -> bool {
        self.kind == PieceKind::Keyword && text[self.at.clone()].eq_ignore_ascii_case(word)
    }

    /// Returns whether something can be computed from it, or it be compared.
    fn is_operand(&self) -> bool {
        match self.kind {
            PieceKind::Key
            | PieceKind::Text
            | PieceKind::Integer
            | PieceKind::Float
            | PieceKind::Brackets
            | PieceKind::Computed => true,
            PieceKind::Comparator
            | PieceKind::Keyword
            | PieceKind::Comparison(_)
            | PieceKind::Comma
            | PieceKind::Other => false,
        }
    }

    /// Returns whether it can stand between commas.
    fn is_item(&self) -> bool {
        !matches!(self.kind, PieceKind::Comparator | PieceKind::Brackets | PieceKind::Comma)
    }
}

/// Returns the pieces of a text, without white space.
pub(super) fn pieces(text: &str, tokens: &[Token]) -> Vec<Piece> {
    let mut reader = Reader { text, tokens, next: 0, closing: closing(tokens) };
    let mut found = Vec::new();
    while let Some(piece) = reader.comparison() {
        found.push(piece);
    }
    lists(aliased(found))
}

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [Token],
    next: usize,
    /// For each bracket that opens, the place of the one that closes it.
    closing: HashMap<usize, usize>,
}

impl Reader<'_> {
    /// Returns the place of the next token that is no white space.
    fn solid(&self, from: usize) -> Option<usize> {
        (from..self.tokens.len()).find(|place| self.tokens[*place].kind != Kind::Space)
    }

    /// Takes a comparison, or whatever comes instead. What is compared again is compared with as a whole.
    fn comparison(&mut self) -> Option<Piece> {
        let mut left = self.computed()?;
        loop {
            let compared = matches!(left.kind, PieceKind::Comparison(_));
            if !compared && !left.is_operand() && !left.is(self.text, "null") {
                return Some(left);
            }
            let sign = self.solid(self.next).filter(|place| self.tokens[*place].kind == Kind::Comparison);
            let Some(sign) = sign else { return Some(left) };
            let before = self.next;
            self.next = sign + 1;
            match self.computed() {
                Some(right) if right.is_operand() || right.is(self.text, "null") => {
                    let at = left.at.start..right.at.end;
                    let comparator = self.text[self.tokens[sign].at.clone()].to_owned();
                    // What is compared again is quoted, not looked into: it stays flat, however often that is.
                    let whole = if compared { Piece { kind: PieceKind::Other, at: left.at.clone() } } else { left };
                    let compared = Compared { left: whole, comparator, right: Some(right) };
                    left = Piece { kind: PieceKind::Comparison(Box::new(compared)), at };
                }
                _ => {
                    self.next = before;
                    return Some(left);
                }
            }
        }
    }

    /// Takes an operand and what is computed from it.
    fn computed(&mut self) -> Option<Piece> {
        let mut left = self.operand()?;
        while left.is_operand() {
            let Some(sign) = self.solid(self.next).filter(|place| self.tokens[*place].kind == Kind::Operator) else {
                break;
            };
            let before = self.next;
            self.next = sign + 1;
            match self.operand().filter(Piece::is_operand) {
                Some(right) => left = Piece { kind: PieceKind::Computed, at: left.at.start..right.at.end },
                None => {
                    self.next = before;
                    break;
                }
            }
        }
        Some(left)
    }

    fn operand(&mut self) -> Option<Piece> {
        let place = self.solid(self.next)?;
        let token = &self.tokens[place];
        self.next = place + 1;
        let kind = match token.kind {
            Kind::Name | Kind::Symbol => return Some(self.key(place)),
            Kind::Text => PieceKind::Text,
            Kind::Integer => PieceKind::Integer,
            Kind::Float => PieceKind::Float,
            Kind::Open => {
                if let Some(&end) = self.closing.get(&place) {
                    self.next = end + 1;
                    return Some(Piece { kind: PieceKind::Brackets, at: token.at.start..self.tokens[end].at.end });
                }
                PieceKind::Other
            }
            Kind::Comparison => PieceKind::Comparator,
            Kind::Keyword => PieceKind::Keyword,
            Kind::Comma => PieceKind::Comma,
            Kind::Space
            | Kind::Operator
            | Kind::Direction
            | Kind::Dot
            | Kind::Close
            | Kind::End
            | Kind::Comment
            | Kind::Other => PieceKind::Other,
        };
        Some(Piece { kind, at: token.at.clone() })
    }

    /// Takes a key that begins at a token: `a`, `a.b`, `` a.`b c` ``, `f(x)`, `a DESC`.
    fn key(&mut self, first: usize) -> Piece {
        let mut last = first;
        while let Some(dot) = self.solid(last + 1).filter(|place| self.tokens[*place].kind == Kind::Dot) {
            last = dot;
            let part = self.solid(dot + 1);
            let part = part.filter(|part| matches!(self.tokens[*part].kind, Kind::Name | Kind::Symbol | Kind::Text));
            let Some(part) = part else { break };
            last = part;
        }
        let mut kind = PieceKind::Key;
        let open = self.solid(last + 1).filter(|place| self.tokens[*place].kind == Kind::Open);
        if let Some(&end) = open.and_then(|open| self.closing.get(&open)) {
            kind = PieceKind::Computed;
            last = end;
        } else if let Some(direction) = self.solid(last + 1).filter(|place| self.tokens[*place].kind == Kind::Direction)
        {
            last = direction;
        }
        self.next = last + 1;
        Piece { kind, at: self.tokens[first].at.start..self.tokens[last].at.end }
    }
}

/// Returns for each bracket that opens the place of the one that closes it.
fn closing(tokens: &[Token]) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut found = HashMap::new();
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(place),
            Kind::Close => {
                if let Some(opening) = open.pop() {
                    found.insert(opening, place);
                }
            }
            _ => {}
        }
    }
    found
}

/// Puts what SQL takes for a thing and its other name into one piece.
fn aliased(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut may_take = false;
    for piece in pieces {
        if let Some(last) = found.last_mut()
            && may_take
            && piece.kind == PieceKind::Key
        {
            *last = Piece { kind: PieceKind::Key, at: last.at.start..piece.at.end };
            may_take = false;
            continue;
        }
        may_take = match piece.kind {
            PieceKind::Key
            | PieceKind::Integer
            | PieceKind::Float
            | PieceKind::Brackets
            | PieceKind::Computed
            | PieceKind::Comparison(_) => true,
            PieceKind::Text | PieceKind::Comparator | PieceKind::Keyword | PieceKind::Comma | PieceKind::Other => false,
        };
        found.push(piece);
    }
    found
}

/// Puts what stands between commas into one piece.
fn lists(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut rest = pieces.into_iter().peekable();
    while let Some(piece) = rest.next() {
        match (found.last_mut(), rest.peek()) {
            (Some(last), Some(next)) if piece.kind == PieceKind::Comma && last.is_item() && next.is_item() => {
                *last = Piece { kind: PieceKind::Other, at: last.at.start..next.at.end };
                rest.next();
            }
            _ => found.push(piece),
        }
    }
    found
}

/// Makes comparisons of keys with lists and with nothing: `a IN (…)`, `a NOT IN (…)`, `a IS NULL`, `a IS NOT NULL`. A key
/// that begins none of them takes the three pieces behind it along, as in the dialect.
pub(super) fn joined(text: &str, pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found = Vec::with_capacity(pieces.len());
    let mut rest = pieces.as_slice();
    while let [first, ..] = rest {
        if rest.len() < 3 || first.kind != PieceKind::Key {
            found.push(first.clone());
            rest = &rest[1..];
            continue;
        }
        let brackets = |piece: &Piece| piece.kind == PieceKind::Brackets;
        let compared = |comparator: &str, right: Option<&Piece>, end: usize| Piece {
            kind: PieceKind::Comparison(Box::new(Compared {
                left: first.clone(),
                comparator: comparator.to_owned(),
                right: right.cloned(),
            })),
            at: first.at.start..end,
        };
        let taken = match rest {
            [_, second, third, ..] if second.is(text, "in") && brackets(third) => {
                found.push(compared(&text[second.at.clone()], Some(third), third.at.end));
                3
            }
            [_, second, third, ..] if second.is(text, "is") && third.is(text, "null") => {
                found.push(compared("IS NULL", None, third.at.end));
                3
            }
            [_, second, third, ..] if second.is(text, "is") && third.is(text, "not null") => {
                found.push(compared("IS NOT NULL", None, third.at.end));
                3
            }
            [_, second, third, fourth, ..] if second.is(text, "not") && third.is(text, "in") && brackets(fourth) => {
                found.push(compared("NOT IN", Some(fourth), fourth.at.end));
                4
            }
            _ => {
                let taken = rest.len().min(4);
                found.extend_from_slice(&rest[..taken]);
                taken
            }
        };
        rest = &rest[taken..];
    }
    found
}
