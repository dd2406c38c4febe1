//! One file shown in its place: a picture, a table's first rows, text, or a page in a frame; read up to a limit.

use std::{fs::File, ops::Range, sync::Arc};

use maud::{Markup, html};
use tokio::io::AsyncReadExt as _;
use windlass_data::table::{Head, Table, TableError, TableLimits, Values, read_parquet_head, read_table_bytes};
use windlass_kinds::{manifest::DataFormat, record::Artifact};
use windlass_oci::{BlobError, BlobStore};

use super::{
    super::super::{
        component::{bytes, count, empty, table},
        error::PageError,
    },
    send::picture,
};

/// How much of a file is read to show it, in bytes.
const READ: u64 = 256 << 10;
/// The largest Parquet file that is read whole where it does not lie in a file of its own.
const WHOLE: u64 = 4 << 20;
/// How many rows and columns of a table are shown.
const ROWS: usize = 50;
const COLUMNS: usize = 40;
/// How much memory these may take, in bytes.
const MEMORY: usize = 8 << 20;
/// How deep JSON nests that is shown by its structure.
const DEPTH: usize = 64;
/// How much of a value is shown, in characters.
const VALUE: usize = 200;

/// Returns a range of a file's bytes.
pub(super) async fn piece(blobs: &dyn BlobStore, artifact: &Artifact, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
    let most = range.end.saturating_sub(range.start);
    let reader = blobs.open(&artifact.digest, Some(range)).await?;
    let mut bytes = Vec::new();
    let read = reader.take(most).read_to_end(&mut bytes).await;
    let path = || artifact.digest.to_string().into();
    read.map_err(|source| BlobError::Io { attempt: "read", path: path(), source })?;
    Ok(bytes)
}

/// What a file is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Html,
    Rows(DataFormat),
    Json,
    Text,
}

impl Kind {
    fn of(name: &str) -> Self {
        let ending = name.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
            "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => Self::Picture,
            "html" | "htm" => Self::Html,
            "csv" => Self::Rows(DataFormat::Csv),
            "parquet" | "pq" => Self::Rows(DataFormat::Parquet),
            "jsonl" | "ndjson" => Self::Rows(DataFormat::Jsonl),
            "json" => Self::Json,
            _ => Self::Text,
        }
    }
}

/// Renders a file; `file` makes the way to its bytes.
pub(super) async fn show(
    blobs: &Arc<dyn BlobStore>,
    artifact: &Artifact,
    name: &str,
    file: &(dyn Fn(&str) -> String + Sync),
) -> Result<Markup, PageError> {
    let kind = Kind::of(name);
    if kind == Kind::Html {
        return Ok(html! {
            p.quiet { "A page of its own, in a frame that cannot reach this one." }
            iframe.artifact src=(file("frame")) title=(name) sandbox="allow-scripts" loading="lazy" referrerpolicy="no-referrer" {}
        });
    }
    if kind == Kind::Rows(DataFormat::Parquet) {
        return Ok(match parquet(blobs, artifact).await? {
            Some(Ok(head)) => rows(&head.table, Some(head.rows), head.columns),
            Some(Err(error)) => html! { p.empty { "It cannot be shown: " (error.to_string()) } },
            None => empty("It is too large to be shown from where it lies."),
        });
    }
    let head = piece(blobs.as_ref(), artifact, 0..READ).await?;
    if kind == Kind::Picture && picture(name, &head).is_some() {
        return Ok(html! { img.artifact src=(file("image")) alt=(name); });
    }
    let is_cut = artifact.size > head.len() as u64;
    let Some(text) = text_of(&head, is_cut) else {
        return Ok(empty("It is no text, no picture and no table that is shown here."));
    };
    let cut = html! { @if is_cut { p.quiet { "The first " (bytes(text.len() as u64)) "." } } };
    Ok(match kind {
        Kind::Rows(format) => match table_of(text.to_owned(), format, is_cut).await {
            Some(table) => html! {
                (cut)
                (rows(&table, (!is_cut).then_some(table.rows() as u64), table.columns().len()))
            },
            None => html! { (cut) (plain(name, text)) },
        },
        Kind::Json if !is_cut => json(name, text),
        Kind::Json | Kind::Text | Kind::Picture | Kind::Html => html! { (cut) (plain(name, text)) },
    })
}

/// Returns bytes as text, up to the last whole character where more follows; none where they are none.
fn text_of(head: &[u8], is_cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

fn plain(name: &str, text: &str) -> Markup {
    html! {
        @if text.is_empty() { (empty("It is empty.")) } @else {
            pre.log tabindex="0" role="region" aria-label=(name) { (text) }
        }
    }
}

/// Renders JSON with line breaks, or as a table where it is one as the client logs it: `{"columns", "data"}`.
fn json(name: &str, text: &str) -> Markup {
    if windlass_scan::check_json(text.as_bytes(), DEPTH, READ as usize).is_err() {
        return plain(name, text);
    }
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return plain(name, text) };
    let names = value.get("columns").and_then(serde_json::Value::as_array);
    let data = value.get("data").and_then(serde_json::Value::as_array);
    if let (Some(names), Some(data)) = (names, data)
        && data.iter().all(serde_json::Value::is_array)
    {
        let shown = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => short(text),
            other => short(&other.to_string()),
        };
        let names: Vec<String> = names.iter().take(COLUMNS).map(shown).collect();
        let cells = data.iter().take(ROWS).map(|row| {
            let cells = row.as_array().into_iter().flatten().take(names.len());
            cells.map(|value| html! { (shown(value)) }).collect()
        });
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return html! {
            p.quiet { (extent(ROWS.min(data.len()), Some(data.len() as u64))) }
            (table(name, &names, cells.collect()))
        };
    }
    plain(name, &serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()))
}

/// Reads the first rows of a Parquet file; none where it is too large to be read here.
async fn parquet(
    blobs: &Arc<dyn BlobStore>,
    artifact: &Artifact,
) -> Result<Option<Result<Head, TableError>>, PageError> {
    let limits = TableLimits { rows: ROWS, bytes: MEMORY };
    let read: Box<dyn FnOnce() -> Result<Head, TableError> + Send> = match blobs.local_path(&artifact.digest) {
        Some(path) => Box::new(move || {
            let file = File::open(&path).map_err(|source| TableError::Open { path, source })?;
            read_parquet_head(&file, COLUMNS, &limits)
        }),
        None if artifact.size > WHOLE => return Ok(None),
        None => {
            let bytes = piece(blobs.as_ref(), artifact, 0..WHOLE).await?;
            let limits = TableLimits { rows: usize::MAX, bytes: MEMORY };
            Box::new(move || {
                let table = read_table_bytes(&bytes, DataFormat::Parquet, None, &limits)?;
                Ok(Head { rows: table.rows() as u64, columns: table.columns().len(), table })
            })
        }
    };
    Ok(Some(off_the_thread(read).await))
}

/// Reads text as a table, up to its last whole line where more follows; none where it is none.
async fn table_of(text: String, format: DataFormat, is_cut: bool) -> Option<Table> {
    let read = move || {
        let whole = if is_cut { text.rsplit_once('\n').map_or("", |(whole, _)| whole) } else { &text };
        read_table_bytes(whole.as_bytes(), format, None, &TableLimits { rows: usize::MAX, bytes: MEMORY * 4 })
    };
    off_the_thread(Box::new(read)).await.ok()
}

/// Decodes beside the thread that answers requests.
async fn off_the_thread<T: Send + 'static>(
    read: Box<dyn FnOnce() -> Result<T, TableError> + Send>,
) -> Result<T, TableError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|_| Err(TableError::Unreadable("reading it failed".to_owned())))
}

fn rows(shown: &Table, all: Option<u64>, columns: usize) -> Markup {
    let (some, most) = (shown.columns().len().min(COLUMNS), shown.rows().min(ROWS));
    let names: Vec<&str> = shown.columns().iter().take(some).map(|(name, _)| name.as_str()).collect();
    let cells = (0..most)
        .map(|row| shown.columns().iter().take(some).map(|(_, values)| html! { (value(values, row)) }).collect());
    html! {
        p.quiet {
            (extent(most, all))
            @if some < columns { ", " (some) " of " (count(columns as u64)) " columns" }
        }
        (table("The first rows", &names, cells.collect()))
    }
}

fn extent(shown: usize, all: Option<u64>) -> String {
    match all {
        Some(all) if all == shown as u64 => format!("{} rows", count(all)),
        Some(all) => format!("The first {shown} of {} rows", count(all)),
        None => format!("The first {shown} rows"),
    }
}

fn value(values: &Values, row: usize) -> String {
    match values {
        Values::Number(values) if values[row].is_nan() => String::new(),
        Values::Number(values) => values[row].to_string(),
        Values::Int(values) => values[row].map_or_else(String::new, |value| value.to_string()),
        Values::Text(values) => values[row].as_deref().map_or_else(String::new, short),
        Values::Time(values) => values[row].map_or_else(String::new, |at| windlass_kinds::Micros(at).to_string()),
        Values::Bool(values) => values[row].map_or_else(String::new, |value| value.to_string()),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        for (bytes, is_cut, expected) in [
            ("aé".as_bytes(), false, Some("aé")),
            (&"aé".as_bytes()[..2], true, Some("a")),
            (&"aé".as_bytes()[..2], false, None),
            (b"a\xffb", true, None),
            (b"a\0b", false, None),
            (b"", false, Some("")),
        ] {
            assert_eq!(text_of(bytes, is_cut), expected, "{bytes:?}");
        }
    }

    #[test]
    fn json_is_a_table_where_it_says_so() {
        for (text, pieces) in [
            (
                r#"{"columns": ["q", "<b>"], "data": [["why", 1], [null, {"a": 2}]]}"#,
                vec!["2 rows", "<td>why</td>", "&lt;b&gt;", "{&quot;a&quot;:2}"],
            ),
            (r#"{"columns": ["q"], "data": [1]}"#, vec!["<pre", "&quot;columns&quot;: ["]),
            ("{\"a\": ", vec!["<pre"]),
            (&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), vec!["<pre"]),
        ] {
            let shown = json("x.json", text).into_string();
            for piece in pieces {
                assert!(shown.contains(piece), "{piece} in {shown}");
            }
        }
    }

    #[test]
    fn endings_say_how_a_file_is_shown() {
        for (name, kind) in [
            ("plots/A.PNG", Kind::Picture),
            ("a.b/c.csv", Kind::Rows(DataFormat::Csv)),
            ("report.html", Kind::Html),
            ("MLmodel", Kind::Text),
            ("a.csv/x", Kind::Text),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
