//! Python environments: with a stand-in for uv that needs no network, and, where `WINDLASS_TEST_NETWORK` is set (or under
//! `CI`), with the real one from the package index.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use windlass_control::PrepareRequest;
use windlass_kinds::{Digest, manifest::PythonSpec};
use windlass_local::python::Environments;

/// What stands in for uv: it writes down what it was asked and answers as uv does.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
case "$1 $2" in
  "--version ") echo "uv ${STAND_IN_VERSION:-0.13.9} (stand-in)" ;;
  "python find")
    case "$*" in
      *9.9*) echo "error: No interpreter found for Python 9.9 in search path" >&2; exit 2 ;;
    esac
    command -v python3 ;;
  "pip compile")
    if [ -n "$STAND_IN_FAILURE" ]; then printf '%b\n' "$STAND_IN_FAILURE" >&2; exit 1; fi
    for last; do :; done
    sed 's/$/==1.0 --hash=sha256:00/' "$last" ;;
  "venv --quiet")
    for last; do :; done
    if [ -e "$last" ]; then echo "error: already exists" >&2; exit 2; fi
    mkdir -p "$last/bin" "$last/lib" && ln -s "$(command -v python3)" "$last/bin/python" ;;
  "pip sync")
    sleep 0.3
    echo "Installed 1 package from https://me:s3cret@index/simple" >&2 ;;
  *) echo "error: unexpected: $*" >&2; exit 2 ;;
esac
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let program = folder.path().join("bin/uv");
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn environments(&self, more: &[(&str, &str)]) -> Environments {
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut host = BTreeMap::from([
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), self.folder.path().display().to_string()),
            ("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned()),
        ]);
        host.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Environments::with_host(self.data(), host)
    }

    fn asked(&self, what: &str) -> usize {
        let text = fs::read_to_string(self.folder.path().join("bin/asked")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(what)).count()
    }
}

fn request(version: Option<&str>, packages: &[&str]) -> PrepareRequest {
    let packages = packages.iter().map(|package| (*package).to_owned()).collect();
    PrepareRequest {
        python: PythonSpec { version: version.map(str::to_owned), requirements: None, packages },
        requirements: None,
        origin: String::new(),
    }
}

#[tokio::test]
async fn a_request_is_resolved_once() {
    let place = Place::new();
    let first = place.environments(&[]).resolve(&request(None, &["six"])).await.unwrap();
    // Another process, another time, no uv to be had.
    let later = place.environments(&[("PATH", "/nowhere")]).resolve(&request(None, &["six"])).await.unwrap();
    assert_eq!(first, later);
    assert_eq!(place.asked("pip compile"), 1);
    let text = fs::read_to_string(place.data().join(format!("envs/locks/{}.txt", first.hex()))).unwrap();
    assert!(text.starts_with("# python 3.") && text.ends_with("\nsix==1.0 --hash=sha256:00\n"), "{text}");
    assert_eq!(Digest::sha256(&text), first);

    let other = place.environments(&[]).resolve(&request(None, &["numpy"])).await.unwrap();
    assert_ne!(first, other);
    // At the same time, too.
    let (one, two) = (place.environments(&[]), place.environments(&[]));
    let wanted = request(None, &["pandas"]);
    let (one, two) = tokio::join!(one.resolve(&wanted), two.resolve(&wanted));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(place.asked("pip compile"), 3);
}

#[tokio::test]
async fn builders_wait_for_one_another() {
    let place = Place::new();
    let wanted = request(None, &["six"]);
    let lock = place.environments(&[]).resolve(&wanted).await.unwrap();
    let lines = Mutex::new(Vec::new());
    let say = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let (one, two) = (place.environments(&[]), place.environments(&[]));
    let (first, second) = tokio::join!(one.ensure(&wanted, &lock, &say), two.ensure(&wanted, &lock, &say));
    let folder = first.unwrap();
    assert_eq!(folder, second.unwrap());
    assert_eq!(folder, place.data().join("envs").join(lock.hex()));
    assert!(folder.join("bin/python").exists());
    assert_eq!((place.asked("venv"), place.asked("pip sync")), (1, 1));
    let lines = lines.into_inner().unwrap().join("\n");
    assert!(lines.contains("waiting for another builder"), "{lines}");
    assert!(lines.contains("from https://***@index/simple") && !lines.contains("s3cret"), "{lines}");
    assert!(fs::read_to_string(place.folder.path().join("bin/asked")).unwrap().contains("--require-hashes"));
    // Built is built.
    place.environments(&[("PATH", "/nowhere")]).ensure(&wanted, &lock, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_builder_left_is_built_anew() {
    let place = Place::new();
    let wanted = request(None, &["six"]);
    let environments = place.environments(&[]);
    let lock = environments.resolve(&wanted).await.unwrap();
    let folder = place.data().join("envs").join(lock.hex());
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("bin/half"), "").unwrap();
    environments.ensure(&wanted, &lock, &|_| {}).await.unwrap();
    assert!(!folder.join("bin/half").exists() && folder.join("bin/python").exists());
    // So is one whose interpreter went away, and one whose lock did.
    fs::remove_file(folder.join("bin/python")).unwrap();
    fs::remove_file(place.data().join(format!("envs/locks/{}.txt", lock.hex()))).unwrap();
    environments.ensure(&wanted, &lock, &|_| {}).await.unwrap();
    assert!(folder.join("bin/python").exists());
    assert_eq!(place.asked("venv"), 2);
}

#[tokio::test]
async fn a_builder_that_is_dropped_lets_the_next_one_in() {
    let place = Place::new();
    let wanted = request(None, &["six"]);
    let environments = place.environments(&[]);
    let lock = environments.resolve(&wanted).await.unwrap();
    let building = environments.ensure(&wanted, &lock, &|_| {});
    tokio::time::timeout(std::time::Duration::from_millis(150), building).await.unwrap_err();
    place.environments(&[]).ensure(&wanted, &lock, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn failures_come_in_the_resolvers_words() {
    let solution = "error: No solution found when resolving dependencies\\n  cause: there is no version of six==99";
    let network =
        "error: Failed to fetch: https://me:s3cret@index/six/\\n  cause: error sending request\\n  cause: dns error";
    for (failure, retryable, words) in [
        (solution, false, ["failed to resolve the requirements of python.packages:", "there is no version of six==99"]),
        (network, true, ["https://***@index/six/", "what to do: the package index could not be reached"]),
    ] {
        let place = Place::new();
        let environments = place.environments(&[("STAND_IN_FAILURE", failure)]);
        let failure = environments.resolve(&request(None, &["six"])).await.unwrap_err();
        assert_eq!(failure.retryable, retryable, "{}", failure.reason);
        for words in words {
            assert!(failure.reason.contains(words), "{}", failure.reason);
        }
        assert!(!failure.reason.contains("s3cret"), "{}", failure.reason);
        // A failure is not remembered.
        place.environments(&[]).resolve(&request(None, &["six"])).await.unwrap();
    }
    let place = Place::new();
    let failure = place.environments(&[]).resolve(&request(Some("9.9"), &[])).await.unwrap_err();
    assert!(
        failure.reason.starts_with("Python 9.9 is not on this machine: No interpreter found"),
        "{}",
        failure.reason
    );
    assert!(failure.reason.contains("apt install python3") && !failure.retryable, "{}", failure.reason);
    let failure = place.environments(&[]).resolve(&request(None, &["-r other.txt"])).await.unwrap_err();
    assert!(failure.reason.contains("names another file") && !failure.retryable, "{}", failure.reason);
}

#[tokio::test]
async fn without_uv_and_index_it_says_what_to_do() {
    let place = Place::new();
    let unreachable = [
        ("STAND_IN_VERSION", "0.1.2"),
        ("PIP_INDEX_URL", "http://me:s3cret@127.0.0.1:9/simple"),
        ("PIP_FIND_LINKS", "/nowhere"),
    ];
    let failure = place.environments(&unreachable).resolve(&request(None, &["six"])).await.unwrap_err();
    assert!(failure.retryable, "{}", failure.reason);
    for words in ["http://***@127.0.0.1:9/simple/uv/", "install uv", "the uv on the path, 0.1.2, is too old"] {
        assert!(failure.reason.contains(words), "{}", failure.reason);
    }
    assert!(!failure.reason.contains("s3cret"), "{}", failure.reason);

    // A file under the right name with other bytes is not believed.
    let links = tempfile::tempdir().unwrap();
    for platform in [
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    ] {
        fs::write(links.path().join(format!("uv-0.13.9-py3-none-{platform}.whl")), "other bytes").unwrap();
    }
    let path = links.path().to_str().unwrap();
    let environments = place.environments(&[("PATH", "/nowhere"), ("PIP_FIND_LINKS", path)]);
    let failure = environments.resolve(&request(None, &["six"])).await.unwrap_err();
    assert!(failure.reason.contains("it has the digest") && !failure.retryable, "{}", failure.reason);
}

/// Returns the host's variables with the system's Python alone on the path, or `None`, aloud, without a network.
fn networked() -> Option<Vec<(String, String)>> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_set("WINDLASS_TEST_NETWORK") && !is_set("CI") {
        eprintln!("skipped: set WINDLASS_TEST_NETWORK to try this against the package index");
        return None;
    }
    let mut host: Vec<_> = std::env::vars().filter(|(name, _)| name != "PATH").collect();
    host.push(("PATH".to_owned(), "/usr/bin:/bin".to_owned()));
    Some(host)
}

fn python(folder: &Path, code: &str) -> String {
    let output = Command::new(folder.join("bin/python")).args(["-c", code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_real_one_on_the_systems_python() {
    let Some(host) = networked() else { return };
    let data = tempfile::tempdir().unwrap();
    let environments = Environments::with_host(data.path(), host.clone());
    let (version, program) = environments.tool().await.unwrap();
    assert!(program.starts_with(data.path()) || program.starts_with("/usr/bin"), "{program:?} {version}");

    let mut wanted = request(Some(">=3.9"), &["six==1.17.0"]);
    wanted.requirements = Some("# none\n".to_owned());
    wanted.origin = "steps/requirements.txt".to_owned();
    let lock = environments.resolve(&wanted).await.unwrap();
    let lines = Mutex::new(Vec::new());
    let say = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let folder = environments.ensure(&wanted, &lock, &say).await.unwrap();
    assert_eq!(python(&folder, "import six; print(six.__version__)"), "1.17.0");
    let lines = lines.into_inner().unwrap().join("\n");
    assert!(lines.contains("+ six==1.17.0"), "{lines}");

    // Nothing of it needs the network again, except to build another one.
    let mut offline = host.clone();
    offline.push(("UV_OFFLINE".to_owned(), "1".to_owned()));
    let environments = Environments::with_host(data.path(), offline);
    assert_eq!(environments.resolve(&wanted).await.unwrap(), lock);
    fs::remove_dir_all(&folder).unwrap();
    environments.ensure(&wanted, &lock, &|_| {}).await.unwrap();

    // Files are links into the cache: who scribbles over one has damaged both.
    let cache = data.path().join("cache");
    let mut own = host.clone();
    own.push(("UV_CACHE_DIR".to_owned(), cache.display().to_string()));
    let environments = Environments::with_host(data.path(), own);
    fs::remove_dir_all(&folder).unwrap();
    environments.ensure(&wanted, &lock, &|_| {}).await.unwrap();
    let module = python(&folder, "import six; print(six.__file__)");
    File::options().write(true).truncate(true).open(module).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let lines = Mutex::new(Vec::new());
    environments.ensure(&wanted, &lock, &|line| lines.lock().unwrap().push(line.to_owned())).await.unwrap();
    let lines = lines.into_inner().unwrap().join("\n");
    assert!(lines.contains("damaged files of six"), "{lines}");
    assert_eq!(python(&folder, "import six; print(six.__version__)"), "1.17.0");

    let mut host = host;
    host.push(("PIP_INDEX_URL".to_owned(), "https://me:s3cret@nowhere.invalid/simple".to_owned()));
    host.push(("UV_HTTP_RETRIES".to_owned(), "0".to_owned()));
    let failure = Environments::with_host(data.path(), host).resolve(&request(None, &["certifi"])).await.unwrap_err();
    assert!(failure.retryable && failure.reason.contains("nowhere.invalid"), "{}", failure.reason);
    assert!(!failure.reason.contains("s3cret"), "{}", failure.reason);
}

#[tokio::test]
async fn the_real_one_explains_what_does_not_resolve() {
    let Some(host) = networked() else { return };
    let data = tempfile::tempdir().unwrap();
    let environments = Environments::with_host(data.path(), host);
    for (package, words) in [
        ("six==99.9", "no version of six==99.9"),
        ("six ==== 1", "no such comparison operator"),
        ("windlass-there-is-no-such-package", "not found"),
    ] {
        let mut wanted = request(None, &[]);
        wanted.requirements = Some(format!("{package}\n"));
        wanted.origin = "steps/requirements.txt".to_owned();
        let failure = environments.resolve(&wanted).await.unwrap_err();
        assert!(failure.reason.contains(words) && !failure.retryable, "{}", failure.reason);
    }
}
