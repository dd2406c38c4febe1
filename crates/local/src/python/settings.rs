//! Where packages come from on this machine, in uv's words.
//!
//! uv's own variables win; pip's configuration fills in what they leave open. Of several indexes uv takes a package from
//! the first that has it, where pip takes the best version of all; that stays uv's way, because it is the safe one
//! (nobody can put a newer version of an internal package onto the public index).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::pip;

/// The index of the Python Packaging Authority, where nothing else is said.
const PUBLIC_INDEX: &str = "https://pypi.org/simple";

/// Where Linux distributions keep the certificates they trust.
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that would make uv look at something else than what it is told.
const MISLEADING: &[&str] = &[
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "UV_PYTHON",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIR",
    "UV_REQUIRE_HASHES",
    "UV_NO_VERIFY_HASHES",
    "UV_VENV_SEED",
    "UV_VENV_CLEAR",
    "UV_OUTPUT_FILE",
];

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct IndexSettings {
    /// The indexes to ask, in order; the last is the default one.
    pub(super) indexes: Vec<String>,
    /// Folders and pages with loose files.
    pub(super) find_links: Vec<String>,
    /// A bundle of certificates to trust.
    pub(super) certificates: Option<PathBuf>,
    /// What uv is told, beyond what it finds itself.
    pub(super) variables: BTreeMap<String, String>,
}

impl IndexSettings {
    /// Reads the settings of a host with these variables.
    pub(super) fn from_host(host: &BTreeMap<String, String>) -> Self {
        let pip = pip::options(host);
        let said = |name: &str| host.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let option = |name: &str| pip.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
        let mut settings = Self::default();

        let own_default = said("UV_DEFAULT_INDEX").map(address_of).or(said("UV_INDEX_URL"));
        let default = own_default.or_else(|| option("index-url").map(str::trim));
        if let (None, Some(url)) = (own_default, default) {
            settings.tell("UV_DEFAULT_INDEX", url);
        }
        let mut extra: Vec<String> = Vec::new();
        for name in ["UV_INDEX", "UV_EXTRA_INDEX_URL"] {
            extra.extend(words(said(name).unwrap_or_default()).map(|entry| address_of(entry).to_owned()));
        }
        if extra.is_empty() {
            extra = words(option("extra-index-url").unwrap_or_default()).map(str::to_owned).collect();
            if !extra.is_empty() {
                settings.tell("UV_INDEX", &extra.join(" "));
            }
        }
        settings.indexes = extra;
        if option("no-index").is_some_and(is_true) {
            settings.tell("UV_NO_INDEX", "1");
            settings.indexes.clear();
        } else {
            settings.indexes.push(default.unwrap_or(PUBLIC_INDEX).to_owned());
        }

        settings.find_links = match said("UV_FIND_LINKS") {
            Some(own) => own.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect(),
            None => {
                // pip shrugs at a folder that is not there; uv refuses to work.
                let usable = |entry: &&str| entry.contains("://") || Path::new(entry).is_dir();
                let found: Vec<String> =
                    words(option("find-links").unwrap_or_default()).filter(usable).map(str::to_owned).collect();
                if !found.is_empty() {
                    settings.tell("UV_FIND_LINKS", &found.join(","));
                }
                found
            }
        };
        if let (None, Some(hosts)) = (said("UV_INSECURE_HOST"), option("trusted-host")) {
            settings.tell("UV_INSECURE_HOST", &words(hosts).collect::<Vec<_>>().join(" "));
        }
        settings.trust(said, option);
        if let (None, None, Some(proxy)) = (said("HTTPS_PROXY"), said("https_proxy"), option("proxy")) {
            settings.tell("HTTPS_PROXY", proxy);
            settings.tell("HTTP_PROXY", proxy);
        }
        if let (None, Some(seconds)) = (said("UV_HTTP_TIMEOUT"), option("default-timeout").or(option("timeout"))) {
            settings.tell("UV_HTTP_TIMEOUT", seconds);
        }
        for (name, value) in [("UV_PYTHON_DOWNLOADS", "never"), ("UV_LINK_MODE", "hardlink")] {
            if said(name).is_none() {
                settings.tell(name, value);
            }
        }
        settings.tell("UV_NO_PROGRESS", "1");
        settings.tell("NO_COLOR", "1");
        settings
    }

    /// Settles which certificates are trusted.
    fn trust<'a>(&mut self, said: impl Fn(&str) -> Option<&'a str>, option: impl Fn(&str) -> Option<&'a str>) {
        let own = said("SSL_CERT_FILE");
        let bundle = own.or(option("cert")).or(said("REQUESTS_CA_BUNDLE")).or(said("CURL_CA_BUNDLE"));
        self.certificates = bundle.map(PathBuf::from).filter(|path| path.is_file());
        match (&self.certificates, own) {
            (Some(path), None) => {
                let path = path.display().to_string();
                self.tell("SSL_CERT_FILE", &path);
            }
            (None, None) if SYSTEM_CERTIFICATES.iter().any(|path| Path::new(path).is_file()) => {
                // Two names for one wish: the newer since uv 0.11.
                self.tell("UV_NATIVE_TLS", "true");
                self.tell("UV_SYSTEM_CERTS", "true");
            }
            _ => {}
        }
    }

    fn tell(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the whole environment of uv on this host.
    pub(super) fn environment(&self, host: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let harmless =
            |name: &str| !MISLEADING.contains(&name) && !name.starts_with("WINDLASS_") && !name.starts_with("MLFLOW_");
        let mut variables: BTreeMap<String, String> =
            host.iter().filter(|(name, _)| harmless(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        variables.extend(self.variables.clone());
        variables
    }

    /// Returns the passwords and tokens in index URLs, so that they can be masked wherever they turn up.
    pub(super) fn secrets(&self, host: &BTreeMap<String, String>) -> Vec<String> {
        let proxies = host.iter().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")).map(|(_, value)| value);
        let urls = self.indexes.iter().chain(&self.find_links).chain(self.variables.values()).chain(proxies);
        let mut secrets: Vec<String> = urls
            .flat_map(|url| url.split_whitespace())
            .filter_map(|url| {
                let rest = url.split_once("://")?.1;
                let user = rest[..rest.find('/').unwrap_or(rest.len())].rsplit_once('@')?.0;
                Some(user.split_once(':').map_or(user, |(_, password)| password).to_owned())
            })
            // Shorter ones would mask half of every sentence.
            .filter(|secret| secret.len() >= 4)
            .collect();
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        secrets
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Returns the URL of an index that may be written `name=url`.
fn address_of(entry: &str) -> &str {
    match entry.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url,
        Some(_) | None => entry,
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.trim().to_lowercase().as_str(), "1" | "true" | "yes" | "on" | "t" | "y")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> IndexSettings {
        let mut host = BTreeMap::from([("PIP_CONFIG_FILE".to_owned(), "/dev/null".to_owned())]);
        host.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        IndexSettings::from_host(&host)
    }

    #[test]
    fn pip_fills_in_what_uv_leaves_open() {
        let plain = settings(&[]);
        assert_eq!(plain.indexes, [PUBLIC_INDEX]);
        assert!(!plain.variables.contains_key("UV_DEFAULT_INDEX"));

        let pip = settings(&[
            ("PIP_INDEX_URL", "https://u:secret@mirror/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://a/simple https://b/simple"),
            ("PIP_FIND_LINKS", "/nowhere-at-all /tmp"),
            ("PIP_TRUSTED_HOST", "mirror"),
        ]);
        assert_eq!(pip.indexes, ["https://a/simple", "https://b/simple", "https://u:secret@mirror/simple"]);
        assert_eq!(pip.variables["UV_DEFAULT_INDEX"], "https://u:secret@mirror/simple");
        assert_eq!(pip.variables["UV_INDEX"], "https://a/simple https://b/simple");
        assert_eq!(pip.variables["UV_FIND_LINKS"], "/tmp");
        assert_eq!(pip.variables["UV_INSECURE_HOST"], "mirror");
        assert_eq!(pip.secrets(&BTreeMap::new()), ["secret"]);

        let own = settings(&[("PIP_INDEX_URL", "https://pip"), ("UV_DEFAULT_INDEX", "main=https://uv/simple")]);
        assert_eq!(own.indexes, ["https://uv/simple"]);
        assert!(!own.variables.contains_key("UV_DEFAULT_INDEX"));

        assert!(settings(&[("PIP_NO_INDEX", "1"), ("PIP_INDEX_URL", "https://pip")]).indexes.is_empty());
    }

    #[test]
    fn what_misleads_uv_is_left_out() {
        let host = BTreeMap::from(
            [("VIRTUAL_ENV", "/x"), ("WINDLASS_TOKEN", "wl_x"), ("MLFLOW_RUN_ID", "1"), ("HOME", "/root")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let names: Vec<_> = IndexSettings::default().environment(&host).into_keys().collect();
        assert_eq!(names, ["HOME"]);
    }
}
