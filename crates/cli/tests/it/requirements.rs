//! Requirements that do not resolve, no Python, no network: the resolver's own words and what to do; tried again only
//! where that can help.
//!
//! A stand-in for uv answers as uv does, so that no network is needed; the last test asks the real index where there is
//! one (`WINDLASS_TEST_NETWORK`).

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::harness::{ONCE, Place, pipeline, skip, wait_for};

const STEP: &str = "{name: a, command: [python, -c, \"print(1)\"], python: {packages: [nonsense]}}";

/// A place whose uv finds Python, and answers `pip compile` with these lines of shell.
fn place(compile: &str, find: &str) -> Place {
    let mut place = Place::new();
    let program = format!(
        "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/asked\"\ncase \"$1 $2\" in\n\
         \"--version \") echo 'uv 0.13.9 (stand-in)' ;;\n\
         \"python find\") {find} ;;\n\
         \"pip compile\") {compile} ;;\n\
         *) exit 2 ;;\nesac\n"
    );
    place.write("bin/uv", program);
    fs::set_permissions(place.path("bin/uv"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    place.variables = vec![("PATH".to_owned(), path), ("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned())];
    place.write("p.yaml", pipeline("p", ONCE, &[STEP]));
    place
}

fn asked(place: &Place) -> usize {
    place.read("bin/asked").lines().filter(|line| line.starts_with("pip compile")).count()
}

const FIND: &str = "command -v python3";

#[test]
fn requirements_that_do_not_resolve_fail_at_once_in_the_resolvers_words() {
    let words = "  × No solution found when resolving dependencies:\n  ╰─▶ Because nonsense was not found in the package registry";
    let place = place(&format!("cat >&2 <<'EOF'\n{words}\nEOF\nexit 1"), FIND);
    place.until_idle(&[]).says(
        1,
        &[
            "No solution found when resolving dependencies",
            "nonsense was not found",
            "what to do: change the requirements",
        ],
    );
    assert_eq!(asked(&place), 1);
}

#[test]
fn a_network_that_comes_back_is_asked_again() {
    let fail = "echo 'error: Failed to fetch: https://index/simple/nonsense/\n  Caused by: dns error: failed to lookup' >&2; exit 1";
    let compile = format!(
        "if [ $(grep -c '^pip compile' \"$(dirname \"$0\")/asked\") -lt 2 ]; then {fail}; fi; echo broken; exit 3"
    );
    let place = place(&compile, FIND);
    let _up = place.up(&["."]);
    let reason = wait_for("the first answer", || {
        let answer = place.run(&["why", "p-1/a", "-o", "json"]);
        let why: serde_json::Value = serde_json::from_str(&answer.out).ok()?;
        why["reason"].as_str().filter(|reason| reason.contains("asks again")).map(str::to_owned)
    });
    for word in ["dns error", "what to do: the package index could not be reached", "UV_DEFAULT_INDEX", "(1 of 5)"] {
        assert!(reason.contains(word), "{reason}");
    }
    // The second time it says something that asking again cannot help.
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "failed");
    assert_eq!(asked(&place), 2);
}

#[test]
fn a_run_that_waits_for_the_network_can_be_cancelled() {
    let place = place("echo 'dns error' >&2; exit 1", FIND);
    let _up = place.up(&["."]);
    wait_for("the first answer", || place.run(&["why", "p-1/a"]).out.contains("asks again").then_some(()));
    place.run(&["cancel", "p-1"]).fine();
    assert_eq!(place.ended("p-1")["run"]["state"], "cancelled");
}

#[test]
fn no_python_is_said() {
    let place = place(
        "exit 2",
        "echo 'error: No interpreter found in virtual environments, managed installations, or search path' >&2; exit 2",
    );
    place.until_idle(&[]).says(
        1,
        &[
            "Python is not on this machine",
            "No interpreter found",
            "what to do: install it (Debian: apt install python3)",
        ],
    );
    assert_eq!(asked(&place), 0);
}

#[test]
fn a_requirements_file_that_is_not_there_has_a_place() {
    let step = "{name: a, command: [python], python: {requirements: needed.txt}}";
    let place = Place::of(&[("p.yaml", &pipeline("p", "", &[step]))]);
    place.run(&["validate", "."]).says(1, &["p.yaml:6:", "requirements", "needed.txt", "No such file"]);
    place.write("needed.txt", [0xff, 0xfe, 0]);
    place.run(&["validate", "."]).says(1, &["needed.txt", "not UTF-8"]);
}

#[test]
fn no_network_at_all_is_said() {
    // Nothing listens there; neither uv nor packages can be had.
    let mut place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[STEP]))]);
    place.variables = vec![
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned()),
        ("UV_DEFAULT_INDEX".to_owned(), "http://127.0.0.1:9/simple".to_owned()),
    ];
    if std::path::Path::new("/usr/bin/uv").exists() || std::path::Path::new("/bin/uv").exists() {
        return skip("uv is installed system-wide, so it need not be fetched");
    }
    let _up = place.up(&["."]);
    let reason = wait_for("the first answer", || {
        let answer = place.run(&["why", "p-1/a", "-o", "json"]);
        let why: serde_json::Value = serde_json::from_str(&answer.out).ok()?;
        why["reason"].as_str().filter(|reason| reason.contains("asks again")).map(str::to_owned)
    });
    assert!(reason.contains("127.0.0.1:9") && reason.contains("uv"), "{reason}");
}

#[test]
fn the_real_resolver_says_what_it_says() {
    if std::env::var_os("WINDLASS_TEST_NETWORK").is_none() && std::env::var_os("CI").is_none() {
        return skip("set WINDLASS_TEST_NETWORK to try this against the package index");
    }
    let step = "{name: a, command: [python], python: {packages: [\"six==99.9\"]}}";
    let place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[step]))]);
    place.until_idle(&[]).says(1, &["six==99.9", "what to do: change the requirements"]);
}
