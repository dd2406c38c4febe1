//! `windlass init`: a small set of manifests to begin with; never over what is there.

use std::{fs, path::Path, process::ExitCode};

use crate::{args::InitArgs, failure::Failure};

const FILES: [(&str, &str); 4] = [
    ("dataset.yaml", include_str!("../../templates/dataset.yaml")),
    ("model.yaml", include_str!("../../templates/model.yaml")),
    ("pipeline.yaml", include_str!("../../templates/pipeline.yaml")),
    ("steps/train.py", include_str!("../../templates/train.py")),
];

pub(crate) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let there: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| args.dir.join(name).exists()).collect();
    if !there.is_empty() {
        let verb = if there.len() == 1 { "is" } else { "are" };
        return Err(Failure::user(format!("{} {verb} there already; nothing was written", there.join(", ")))
            .hint("choose another folder: `windlass init DIR`"));
    }
    for (name, text) in FILES {
        let path = args.dir.join(name);
        write(&path, text)
            .map_err(|error| Failure::user_because(&format!("failed to write {}", path.display()), error))?;
        crate::view::out!("{}", path.display());
    }
    eprintln!("put CSV files into {}, then: windlass up {}", args.dir.join("data").display(), args.dir.display());
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}
