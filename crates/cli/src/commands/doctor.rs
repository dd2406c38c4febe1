//! `windlass doctor`: what this machine has and lacks, each with what to do.

use std::{path::Path, process::ExitCode};

use serde::Serialize;
use windlass_api::Status;

use crate::{
    args::{Global, Output},
    connect::connect,
    data_folder::DataFolder,
    failure::Failure,
    view::{self, Table, bytes},
};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Fine,
    Limited,
    Missing,
}

pub(crate) async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let checks = vec![
        processors(),
        memory(),
        accelerators(),
        python(),
        uv(global),
        git(),
        data_folder(global),
        disk(&global.data_dir),
        cgroups(),
        containers(),
        server(global).await,
    ];
    match global.output {
        Output::Table => {
            let mut table = Table::new(&["", "what", "found", "remedy"]);
            for Check { what, state, found, remedy } in &checks {
                let mark = match state {
                    State::Fine => "ok",
                    State::Limited => "-",
                    State::Missing => "!!",
                };
                table.row([mark, what, found, remedy]);
            }
            table.print();
        }
        Output::Json | Output::Yaml => view::show(global.output, &checks, || ()),
    }
    let missing = checks.iter().any(|check| check.state == State::Missing);
    Ok(if missing { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Returns the first line that a program prints about its version; `None` where it cannot be run.
fn version(program: &str) -> Option<String> {
    let output = std::process::Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next().unwrap_or("").trim().to_owned())
}

fn processors() -> Check {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let found = format!("{count} of {}; as many steps run at once", std::env::consts::ARCH);
    Check { what: "processors", state: State::Fine, found, remedy: String::new() }
}

fn memory() -> Check {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (state, found) = match (field(&info, "MemTotal:"), field(&info, "MemAvailable:")) {
        (Some(total), Some(free)) => (State::Fine, format!("{}, {} of it free", bytes(total), bytes(free))),
        _ => (State::Limited, "/proc/meminfo does not say".to_owned()),
    };
    Check { what: "memory", state, found, remedy: String::new() }
}

/// Returns a field of `/proc/meminfo`, which counts in KiB, in bytes.
fn field(info: &str, name: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn accelerators() -> Check {
    let listed =
        std::process::Command::new("nvidia-smi").arg("-L").output().ok().filter(|output| output.status.success());
    let names = listed.map_or_else(Vec::new, |output| {
        // `GPU 0: NVIDIA H100 80GB HBM3 (UUID: …)`
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.split(" (UUID").next().unwrap_or(line).to_owned()).collect()
    });
    let (state, found, remedy) = match names.as_slice() {
        [] => (State::Limited, "none that nvidia-smi knows".to_owned(), "steps run on the processors"),
        names => (State::Fine, names.join(", "), ""),
    };
    Check { what: "accelerators", state, found, remedy: remedy.to_owned() }
}

fn python() -> Check {
    match version("python3") {
        Some(found) => Check { what: "Python", state: State::Fine, found, remedy: String::new() },
        None => Check {
            what: "Python",
            state: State::Missing,
            found: "no python3 on the path".to_owned(),
            remedy: "install it (Debian, Ubuntu: apt install python3); only Python steps need it".to_owned(),
        },
    }
}

fn uv(global: &Global) -> Check {
    if let Some(found) = version("uv") {
        return Check { what: "uv", state: State::Fine, found, remedy: String::new() };
    }
    let fetched = std::fs::read_dir(global.data_dir.join("tools")).is_ok_and(|mut tools| tools.next().is_some());
    let found = if fetched { "fetched into the data folder" } else { "not on the path" };
    let remedy = if fetched { "" } else { "nothing to do: it is fetched from the package index when first needed" };
    let state = if fetched { State::Fine } else { State::Limited };
    Check { what: "uv", state, found: found.to_owned(), remedy: remedy.to_owned() }
}

fn git() -> Check {
    match version("git") {
        Some(found) => Check { what: "git", state: State::Fine, found, remedy: String::new() },
        None => Check {
            what: "git",
            state: State::Limited,
            found: "not on the path".to_owned(),
            remedy: "without it `windlass run` cannot keep the commit and the changes".to_owned(),
        },
    }
}

fn data_folder(global: &Global) -> Check {
    let path = global.data_dir.display();
    if !global.data_dir.exists() {
        let found = format!("{path} is not there yet");
        return Check {
            what: "data folder",
            state: State::Limited,
            found,
            remedy: "`windlass up` makes it".to_owned(),
        };
    }
    let writable = tempfile::Builder::new().prefix(".doctor").tempfile_in(&global.data_dir);
    match writable {
        Ok(_) => {
            Check { what: "data folder", state: State::Fine, found: format!("{path}, writable"), remedy: String::new() }
        }
        Err(error) => Check {
            what: "data folder",
            state: State::Missing,
            found: format!("{path}: {error}"),
            remedy: "make it writable, or choose another with --data-dir".to_owned(),
        },
    }
}

fn disk(folder: &Path) -> Check {
    let existing = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let space = rustix::fs::statvfs(existing.unwrap_or(Path::new("."))).map(|stats| stats.f_bavail * stats.f_frsize);
    match space {
        Ok(free) if free < 1 << 30 => Check {
            what: "disk",
            state: State::Limited,
            found: format!("{} free", bytes(free)),
            remedy: "an environment for training takes several hundred MiB".to_owned(),
        },
        Ok(free) => {
            Check { what: "disk", state: State::Fine, found: format!("{} free", bytes(free)), remedy: String::new() }
        }
        Err(error) => Check { what: "disk", state: State::Limited, found: error.to_string(), remedy: String::new() },
    }
}

fn cgroups() -> Check {
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let writable = v2 && rustix::fs::access("/sys/fs/cgroup", rustix::fs::Access::WRITE_OK).is_ok();
    let (state, found, remedy) = match (v2, writable) {
        (true, true) => (State::Fine, "version 2, writable", ""),
        (true, false) => (State::Limited, "version 2, read-only", "memory limits are watched from outside instead"),
        (false, _) => (State::Limited, "no version 2", "memory limits are watched from outside instead"),
    };
    Check { what: "cgroups", state, found: found.to_owned(), remedy: remedy.to_owned() }
}

fn containers() -> Check {
    match version("podman").or_else(|| version("docker")) {
        Some(found) => Check { what: "containers", state: State::Fine, found, remedy: String::new() },
        None => Check {
            what: "containers",
            state: State::Limited,
            found: "neither podman nor docker".to_owned(),
            remedy: "steps run as processes".to_owned(),
        },
    }
}

async fn server(global: &Global) -> Check {
    let running =
        DataFolder::open(&global.data_dir).ok().filter(DataFolder::is_locked).and_then(|folder| folder.server());
    match running {
        Some(server) => Check {
            what: "server",
            state: State::Fine,
            found: format!("process {} at http://{}{}", server.pid, server.address, leading(global).await),
            remedy: String::new(),
        },
        None => Check {
            what: "server",
            state: State::Limited,
            found: "none over this data folder".to_owned(),
            remedy: "`windlass up` starts one".to_owned(),
        },
    }
}

/// Returns whether the running server decides, where it shares its database with others.
async fn leading(global: &Global) -> String {
    let Ok(client) = connect(global) else { return String::new() };
    match client.get::<Status>("/api/v1/status").await {
        Ok(status) if status.database != "postgres" => String::new(),
        Ok(Status { leads: true, .. }) => ", leads".to_owned(),
        Ok(Status { leader: Some(leader), .. }) => format!(", follows {leader}"),
        Ok(_) => ", follows; nobody leads at the moment".to_owned(),
        Err(_) => ", does not answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_meminfo() {
        let info = "MemTotal:       2048 kB\nMemFree:         16 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(field(info, "MemTotal:"), Some(2 << 20));
        assert_eq!(field(info, "MemAvailable:"), Some(1 << 20));
        assert_eq!(field("", "MemTotal:"), None);
    }
}
