//! Makes Parquet of a segment's frames.
//!
//! Doing it again, as after a crash between two of its steps, leads to the same files under the same names.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use windlass_data::table::{Table, Values, write_parquet};
use windlass_kinds::Micros;

use super::{LogError, files, segment::Contents};

/// Columns that every prediction has, in this order before those of the model.
pub(super) const OWN_COLUMNS: [&str; 4] = ["row_id", "request_id", "at", "model_version"];

/// Rows whose columns have the same names and types.
struct Group<'a> {
    schema: &'a [u8],
    row_ids: Vec<Option<String>>,
    request_ids: Vec<Option<String>>,
    ats: Vec<Option<i64>>,
    model_versions: Vec<Option<i64>>,
    columns: Vec<(String, Values)>,
}

/// Turns a segment into Parquet files, one for each set of columns in it, and removes it. Returns how many bytes of it
/// could not be read.
pub(super) fn close(folder: &Path, segment: &files::Segment) -> Result<usize, LogError> {
    let failed = |attempt, path: &Path| {
        let path = path.to_owned();
        move |source| LogError::File { attempt, path, source }
    };
    let contents = Contents::read(&segment.path).map_err(failed("read", &segment.path))?;
    let (groups, last_at) = collect(&contents, &segment.path)?;
    for (part, group) in groups.into_iter().enumerate() {
        let path = files::closed_path(folder, segment.number, part, last_at);
        write(&path, &group.into_table(&segment.path)?)?;
    }
    sync_folder(folder).map_err(failed("sync", folder))?;
    fs::remove_file(&segment.path).map_err(failed("remove", &segment.path))?;
    Ok(contents.torn())
}

/// Sorts a segment's rows by their columns.
fn collect<'a>(contents: &'a Contents, path: &Path) -> Result<(Vec<Group<'a>>, Micros), LogError> {
    let unreadable = || LogError::Unreadable { path: path.to_owned() };
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut last_at = Micros(0);
    for frame in contents.frames() {
        let place = match groups.iter().position(|group| group.schema == frame.schema) {
            Some(place) => place,
            None => {
                groups.push(Group {
                    schema: frame.schema,
                    row_ids: Vec::new(),
                    request_ids: Vec::new(),
                    ats: Vec::new(),
                    model_versions: Vec::new(),
                    columns: frame.empty_columns().ok_or_else(unreadable)?,
                });
                groups.len() - 1
            }
        };
        let group = &mut groups[place];
        frame.append(&mut group.row_ids, &mut group.columns).ok_or_else(unreadable)?;
        for _ in 0..frame.rows {
            group.request_ids.push(Some(frame.request_id.to_owned()));
            group.ats.push(Some(frame.at.0));
            group.model_versions.push(Some(i64::from(frame.model_version)));
        }
        last_at = last_at.max(frame.at);
    }
    Ok((groups, last_at))
}

impl Group<'_> {
    fn into_table(self, path: &Path) -> Result<Table, LogError> {
        let Self { schema: _, row_ids, request_ids, ats, model_versions, columns } = self;
        let own = [Values::Text(row_ids), Values::Text(request_ids), Values::Time(ats), Values::Int(model_versions)];
        let own = OWN_COLUMNS.into_iter().map(str::to_owned).zip(own);
        Table::new(own.chain(columns).collect()).map_err(|_| LogError::Unreadable { path: path.to_owned() })
    }
}

/// Writes a file beside its place, forces it to disk, and moves it there.
fn write(path: &Path, table: &Table) -> Result<(), LogError> {
    let failed = |attempt| move |source| LogError::File { attempt, path: path.to_owned(), source };
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let written = (|| -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        write_parquet(&file, table)?;
        file.sync_all()
    })();
    if written.is_err() {
        // What is half written takes room that may be the very thing that lacks.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(failed("write"))?;
    fs::rename(&partial, path).map_err(failed("rename"))
}

/// Forces a folder's entries to disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
