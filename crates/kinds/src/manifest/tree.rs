//! The spanned tree: YAML with a place for every key and value.
//!
//! Built over the events of `saphyr-parser`, without recursion. The tree is capped in nodes and depth with aliases
//! expanded, so that a small text cannot become a large tree; an alias shares what its anchor names and costs
//! nothing. A mistake in the syntax ends its document alone: reading goes on at the next line that begins with `---`.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{report::Report, scalar::Scalar, source::position, syntax};
use crate::Position;

/// The most nodes of one file, aliases expanded.
pub(super) const NODES_MAX: usize = 100_000;

/// The deepest nesting, aliases expanded.
pub(super) const DEPTH_MAX: usize = 64;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Where the value begins; where its key begins if nothing is written.
    pub(super) position: Position,
    /// The value.
    pub(super) tree: Tree,
    /// How many nodes it has, itself included, aliases expanded.
    size: usize,
    /// How many levels it has: 1 for a scalar.
    height: usize,
}

/// The three shapes of a value.
#[derive(Debug)]
pub(super) enum Tree {
    /// A single value.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Arc<Node>>),
    /// A mapping in the order of the file, each key once.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key as written.
    pub(super) key: String,
    /// Where the key begins.
    pub(super) position: Position,
    /// The value.
    pub(super) value: Arc<Node>,
}

/// A mistake that ends its document.
pub(super) struct Fault {
    /// Where.
    pub(super) position: Position,
    /// What is wrong.
    pub(super) message: String,
    /// What would be right.
    pub(super) hint: Option<String>,
}

/// One document.
pub(super) struct Document {
    /// Its value.
    pub(super) root: Arc<Node>,
    /// Whether something in it was left out after being reported.
    pub(super) flawed: bool,
}

/// Returns the documents of `text` that are not empty, leaving mistakes in `report`.
pub(super) fn documents(text: &str, report: &mut Report) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(report);
    let mut rest = text;
    while let Err(fault) = builder.read(rest) {
        let skipped = builder.line_offset;
        builder.report.error(fault.position, "", fault.message, fault.hint);
        if builder.report.is_full() || builder.nodes > NODES_MAX {
            break;
        }
        let from = (fault.position.line as usize - skipped).max(builder.document_line + 1);
        let Some((line, start)) = document_start(rest, from) else { break };
        rest = &rest[start..];
        builder.line_offset += line - 1;
    }
    builder.documents
}

/// Returns line and byte of the first line that begins a document, at line `from` or later.
fn document_start(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if index + 1 >= from && marker {
            return Some((index + 1, start));
        }
        start += line.len();
    }
    None
}

/// A collection that is still open.
struct Frame {
    position: Position,
    anchor: usize,
    size: usize,
    height: usize,
    items: Items,
}

enum Items {
    List(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, places: HashMap<String, Position>, key: Key },
}

/// What a mapping waits for.
enum Key {
    /// A key.
    Wanted,
    /// The value of this key.
    Read(String, Position),
    /// The value of a key that was refused.
    Refused,
}

struct Builder<'r> {
    report: &'r mut Report,
    documents: Vec<Document>,
    /// Whether the document being read has lost something.
    flawed: bool,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Arc<Node>>,
    nodes: usize,
    /// How many lines of the file come before the text being read.
    line_offset: usize,
    /// The line, within the text being read, where the current document began.
    document_line: usize,
}

impl<'r> Builder<'r> {
    fn new(report: &'r mut Report) -> Self {
        Self {
            report,
            documents: Vec::new(),
            flawed: false,
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            line_offset: 0,
            document_line: 1,
        }
    }

    fn read(&mut self, text: &str) -> Result<(), Fault> {
        self.frames.clear();
        self.document_line = 1;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => self.event(event, span)?,
                Err(error) => return Err(syntax::explain(&error, text, self.line_offset)),
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let place = position(span.start.line() + self.line_offset, span.start.col() + 1);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.flawed = false;
                self.document_line = span.start.line().max(1);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                let text_tag = tag.is_some_and(|tag| self.is_text(&tag, place));
                let plain = style == ScalarStyle::Plain && !text_tag;
                if text.contains('\0') {
                    let message = "this text has a NUL character, which neither a command nor a database can keep";
                    self.lose(place, message, "leave `\\0` out");
                }
                self.count(1, 1, place)?;
                let scalar = Scalar { text: text.into_owned(), plain };
                self.place(Node { position: place, tree: Tree::Scalar(scalar), size: 1, height: 1 }, anchor);
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.is_text(&tag, place);
                }
                self.open(place, anchor, Items::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.is_text(&tag, place);
                }
                self.open(place, anchor, Items::Map { entries: Vec::new(), places: HashMap::new(), key: Key::Wanted })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Frame { position, anchor, size, height, items }) = self.frames.pop() {
                    let tree = match items {
                        Items::List(items) => Tree::List(items),
                        Items::Map { entries, places: _, key: _ } => Tree::Map(entries),
                    };
                    self.place(Node { position, tree, size, height: height + 1 }, anchor);
                }
                Ok(())
            }
        }
    }

    /// Tells whether a tag makes its value text. Tags outside the core schema mean nothing here, and are reported.
    fn is_text(&mut self, tag: &Tag, position: Position) -> bool {
        let core = ["str", "int", "float", "bool", "null", "seq", "map"];
        let known = tag.is_yaml_core_schema() && core.contains(&tag.suffix.as_str());
        let plain = tag.handle.is_empty() && tag.suffix == "!";
        if !known && !plain {
            let message = format!("the tag `{}` means nothing here", super::show(&tag.to_string()));
            self.lose(position, message, "leave it out; quote the value if it should be text");
        }
        plain || tag.suffix == "str"
    }

    /// Reports a mistake that leaves the rest of the document readable.
    fn lose(&mut self, position: Position, message: impl Into<String>, hint: &str) {
        self.report.error(position, "", message, hint.to_owned());
        self.flawed = true;
    }

    fn open(&mut self, position: Position, anchor: usize, items: Items) -> Result<(), Fault> {
        self.count(1, 1, position)?;
        self.frames.push(Frame { position, anchor, size: 1, height: 0, items });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Fault> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let within = self.frames.iter().any(|frame| frame.anchor == anchor);
            return Err(Fault {
                position,
                message: if within { "this alias stands within what it names" } else { "no anchor has this name" }
                    .to_owned(),
                hint: Some("an anchor must come before its aliases, in the same document".to_owned()),
            });
        };
        self.count(node.size, node.height, position).map_err(|fault| Fault {
            message: format!("aliases expand to too much here: {}", fault.message),
            hint: Some("write out what is meant; aliases of aliases multiply".to_owned()),
            ..fault
        })?;
        self.attach(node);
        Ok(())
    }

    /// Counts nodes about to be added, `height` levels of them, against the caps.
    fn count(&mut self, size: usize, height: usize, position: Position) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(size);
        let message = if self.nodes > NODES_MAX {
            format!("more than {NODES_MAX} values in one file")
        } else if self.frames.len() + height > DEPTH_MAX {
            format!("nested more than {DEPTH_MAX} levels deep")
        } else {
            return Ok(());
        };
        Err(Fault { position, message, hint: None })
    }

    fn place(&mut self, node: Node, anchor: usize) {
        let node = Arc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.attach(node);
    }

    /// Puts a finished node where it belongs: into the open collection, or among the documents.
    fn attach(&mut self, node: Arc<Node>) {
        let Some(frame) = self.frames.last_mut() else {
            if !node.is_null() {
                self.documents.push(Document { root: node, flawed: self.flawed });
            }
            return;
        };
        frame.size = frame.size.saturating_add(node.size);
        frame.height = frame.height.max(node.height);
        match &mut frame.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, places, key } => match std::mem::replace(key, Key::Wanted) {
                Key::Refused => {}
                Key::Read(text, position) => {
                    let value = if node.is_absent() { Arc::new(node.moved(position)) } else { node };
                    entries.push(Entry { key: text, position, value });
                }
                Key::Wanted => {
                    *key = accept(self.report, places, &node);
                    self.flawed |= matches!(key, Key::Refused);
                }
            },
        }
    }
}

/// Returns what a node in the place of a key leaves the mapping waiting for.
fn accept(report: &mut Report, places: &mut HashMap<String, Position>, node: &Node) -> Key {
    let Tree::Scalar(scalar) = &node.tree else {
        let hint = "write a plain word before the `:`; quote a value that begins with `{` or `[`";
        report.error(node.position, "", "a list or mapping cannot be a key", hint.to_owned());
        return Key::Refused;
    };
    if scalar.plain && scalar.text == "<<" {
        let hint = "repeat the fields, or put what steps share into a JobTemplate or the pipeline itself";
        report.error(node.position, "", "merge keys are not part of YAML 1.2", hint.to_owned());
        return Key::Refused;
    }
    match places.entry(scalar.text.clone()) {
        Slot::Occupied(first) => {
            let message = format!("the key `{}` stands here a second time", super::show(&scalar.text));
            let hint = format!("keep one of the two; the first is in line {}", first.get().line);
            report.error(node.position, "", message, hint);
            Key::Refused
        }
        Slot::Vacant(slot) => {
            slot.insert(node.position);
            Key::Read(scalar.text.clone(), node.position)
        }
    }
}

impl Node {
    /// Tells whether this is `null` in any of its spellings.
    pub(super) fn is_null(&self) -> bool {
        match &self.tree {
            Tree::Scalar(scalar) => scalar.resolve() == super::scalar::Resolved::Null,
            Tree::List(_) | Tree::Map(_) => false,
        }
    }

    /// Tells whether nothing was written at all.
    fn is_absent(&self) -> bool {
        matches!(&self.tree, Tree::Scalar(scalar) if scalar.plain && scalar.text.is_empty())
    }

    /// Returns an absent node at another place.
    fn moved(&self, position: Position) -> Self {
        let scalar = Scalar { text: String::new(), plain: true };
        Self { position, tree: Tree::Scalar(scalar), size: self.size, height: self.height }
    }
}
