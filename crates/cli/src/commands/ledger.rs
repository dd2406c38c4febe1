//! `windlass ledger list|verify`. Verifying works on the data folder alone.

use std::{path::Path, process::ExitCode};

use windlass_api::LedgerRowView;
use windlass_kinds::{Digest, Hasher, record::Tree};
use windlass_store::{
    Store, StoreUrl,
    ledger::{self, Hashed, VerifyReport},
};

use crate::{
    args::{Global, LedgerCommand},
    connect::{connect, failure},
    data_folder::DataFolder,
    failure::Failure,
    serving::store_failure,
    view::{self, Table, instant},
};

/// How many entries are listed at once.
const PIECE: usize = 1000;

pub(crate) async fn run(global: &Global, command: LedgerCommand) -> Result<ExitCode, Failure> {
    match command {
        LedgerCommand::List { subject, after } => list(global, subject, after).await,
        LedgerCommand::Verify { checkpoint, database } => {
            verify(global, checkpoint.as_deref(), database.as_deref()).await
        }
    }
}

async fn list(global: &Global, subject: Option<String>, after: u64) -> Result<ExitCode, Failure> {
    let mut query = format!("?after={after}&limit={PIECE}");
    if let Some(subject) = subject {
        query.push_str(&format!("&subject={}", windlass_api::encode(&subject)));
    }
    let rows: Vec<LedgerRowView> = connect(global)?.get(&format!("/api/v1/ledger{query}")).await.map_err(failure)?;
    view::show(global.output, &rows, || {
        let mut table = Table::new(&["index", "at", "by", "kind", "subject", "body"]);
        for LedgerRowView { index, entry } in &rows {
            table.row([
                index.map_or_else(|| "-".to_owned(), |index| index.to_string()),
                instant(entry.at),
                entry.actor.to_string(),
                entry.kind.as_str().to_owned(),
                entry.subject.clone(),
                entry.body.short().to_owned(),
            ]);
        }
        table.print();
    });
    if rows.len() >= PIECE
        && let Some(last) = rows.last().and_then(|row| row.index)
    {
        eprintln!("more may follow: --after {last} goes on");
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(global: &Global, checkpoint: Option<&Path>, database: Option<&str>) -> Result<ExitCode, Failure> {
    let folder = DataFolder::open(&global.data_dir)?;
    let kept = checkpoint
        .map(|path| {
            std::fs::read(path)
                .map_err(|error| Failure::user_because(&format!("failed to read {}", path.display()), error))
        })
        .transpose()?;
    let url = match database {
        None => StoreUrl::Sqlite(folder.path().join("windlass.db")),
        Some(text) => text.parse().map_err(|error| Failure::user_because("the database is not understood", error))?,
    };
    let store = Store::open_to_look(&url).await.map_err(store_failure)?;
    let blobs = folder.content().join("blobs");
    let hash = move |digest: &Digest| hash_blob(&blobs, digest);
    let report = ledger::verify(&folder.content().join("ledger"), Some(&store), kept.as_deref(), Some(&hash)).await;
    store.close().await;
    let report = report.map_err(|error| Failure::user_because("the ledger cannot be read", error))?;
    view::show(global.output, &report, || print(&report));
    Ok(if report.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(report: &VerifyReport) {
    let VerifyReport { entries, files, rows, unpublished, erased, records, blobs, damage } = report;
    crate::view::out!(
        "{entries} entries in {files} files of the tree; {rows} rows ({unpublished} not published yet, {erased} bodies erased)"
    );
    crate::view::out!("{records} records compared with the ledger; {blobs} pieces of content hashed");
    if damage.is_empty() {
        crate::view::out!("everything is as it was written");
        return;
    }
    for ledger::Damage { place, what } in damage {
        crate::view::out!("DAMAGE {place}: {what}");
    }
    crate::view::out!("{} damaged", damage.len());
}

/// The largest blob that is taken for a folder, in bytes.
const TREE_CAP: u64 = 256 << 20;

/// Returns the digest that the file of a blob really has, and the files of the folder that it stands for.
fn hash_blob(root: &Path, digest: &Digest) -> std::io::Result<Option<Hashed>> {
    use std::io::Read;
    let (start, rest) = digest.hex().split_at(2);
    let path = root.join(digest.algorithm().as_str()).join(start).join(rest);
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let may_be_tree = file.metadata()?.len() <= TREE_CAP;
    let (mut hasher, mut kept, mut is_tree) = (Hasher::new(), Vec::new(), None);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => {
                let tree = serde_json::from_slice::<Tree>(&kept).ok();
                let files = tree.into_iter().flat_map(|tree| tree.files).map(|file| file.digest).collect();
                return Ok(Some(Hashed { digest: hasher.finish(), files }));
            }
            count => {
                let bytes = &buffer[..count];
                if *is_tree.get_or_insert(may_be_tree && bytes.starts_with(Tree::START)) {
                    kept.extend_from_slice(bytes);
                }
                hasher.update(bytes);
            }
        }
    }
}
