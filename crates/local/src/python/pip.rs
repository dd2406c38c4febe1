//! Reads pip's configuration, as far as it says where packages come from.
//!
//! The rules are pip's ("Configuration" in its documentation): files in the order global, user (old place, then new),
//! the one named by `PIP_CONFIG_FILE`; a later one wins; in each, `[install]` wins over `[global]`; variables `PIP_*`
//! win over all. `PIP_CONFIG_FILE=/dev/null` means no file at all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The largest file we take for a configuration, in bytes.
const LARGEST: u64 = 1 << 20;

/// The options of pip that matter here, by their long name with hyphens.
pub(super) type Options = BTreeMap<String, String>;

/// Returns pip's options for a host with these variables.
pub(super) fn options(host: &BTreeMap<String, String>) -> Options {
    let mut options = Options::new();
    for path in files(host) {
        if fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST)
            && let Ok(text) = fs::read_to_string(&path)
        {
            options.extend(parse(&text));
        }
    }
    for (name, value) in host {
        if let Some(name) = name.strip_prefix("PIP_")
            && !value.is_empty()
        {
            options.insert(name.to_lowercase().replace('_', "-"), value.clone());
        }
    }
    options
}

fn files(host: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let named = host.get("PIP_CONFIG_FILE").filter(|path| !path.is_empty());
    if named.is_some_and(|path| path == "/dev/null") {
        return Vec::new();
    }
    let mut files = vec![PathBuf::from("/etc/pip.conf")];
    let global = host.get("XDG_CONFIG_DIRS").map_or("/etc/xdg", String::as_str);
    files.extend(
        global.split(':').filter(|folder| !folder.is_empty()).map(|folder| Path::new(folder).join("pip/pip.conf")),
    );
    if let Some(home) = host.get("HOME") {
        files.push(Path::new(home).join(".pip/pip.conf"));
    }
    let user = host.get("XDG_CONFIG_HOME").map(PathBuf::from);
    files.extend(
        user.or_else(|| Some(Path::new(host.get("HOME")?).join(".config"))).map(|folder| folder.join("pip/pip.conf")),
    );
    files.extend(named.map(PathBuf::from));
    files
}

/// Reads the INI dialect of Python's `configparser`, without interpolation: sections, `key = value` or `key: value`,
/// continuation lines that begin with white space, comments on lines of their own.
fn parse(text: &str) -> Options {
    let mut by_section: BTreeMap<&str, Options> = BTreeMap::new();
    let mut section = None;
    let mut key: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let (Some(section), Some(key)) = (section, &key)
        {
            let value = by_section.entry(section).or_default().entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, key) = (Some(name), None);
            continue;
        }
        if let (Some(section), Some((name, value))) = (section, trimmed.split_once(['=', ':'])) {
            let name = name.trim().to_lowercase().replace('_', "-");
            by_section.entry(section).or_default().insert(name.clone(), value.trim().to_owned());
            key = Some(name);
        }
    }
    let mut options = by_section.remove("global").unwrap_or_default();
    options.extend(by_section.remove("install").unwrap_or_default());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_dialect() {
        let options = parse(
            "# a comment\n[global]\nindex-url = https://u:p@mirror/simple\nextra_index_url =\n    https://one/simple\n    \
             https://two/simple\ntrusted-host: mirror\n[list]\nindex-url = nowhere\n[install]\nno-index = true\n",
        );
        assert_eq!(options["index-url"], "https://u:p@mirror/simple");
        assert_eq!(options["extra-index-url"], "\nhttps://one/simple\nhttps://two/simple");
        assert_eq!(options["trusted-host"], "mirror");
        assert_eq!(options["no-index"], "true");
    }

    #[test]
    fn variables_win_over_files() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".config/pip")).unwrap();
        fs::write(home.path().join(".config/pip/pip.conf"), "[global]\nindex-url = https://file\ncert = /a.pem\n")
            .unwrap();
        let mut host = BTreeMap::from([
            ("HOME".to_owned(), home.path().to_str().unwrap().to_owned()),
            ("PIP_INDEX_URL".to_owned(), "https://variable".to_owned()),
        ]);
        let found = options(&host);
        assert_eq!((found["index-url"].as_str(), found["cert"].as_str()), ("https://variable", "/a.pem"));
        host.insert("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned());
        assert!(!options(&host).contains_key("cert"));
    }
}
