//! The client itself: two connections pools, made when first needed.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{Certificate, Method, Url, redirect};

use crate::{NetError, Request, Settings, Zone, url, zone::PublicResolver};

/// Speaks HTTP. Clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// Present for users' URLs.
    guard: Option<PublicResolver>,
    /// Reading the system's certificates takes a while; a client that only speaks to this machine never does.
    outside: OnceLock<reqwest::Client>,
    here: OnceLock<reqwest::Client>,
}

impl Client {
    /// Makes a client. It is cheap; certificates are read with the first request that leaves this machine.
    pub fn new(settings: Settings) -> Self {
        let guard = match settings.zone {
            Zone::Operator => None,
            Zone::User => Some(PublicResolver::new(settings.allowed.clone())),
        };
        Self { inner: Arc::new(Inner { settings, guard, outside: OnceLock::new(), here: OnceLock::new() }) }
    }

    /// Begins a GET.
    pub fn get(&self, url: &str) -> Request {
        self.request(Method::GET, url)
    }

    /// Begins a POST.
    pub fn post(&self, url: &str) -> Request {
        self.request(Method::POST, url)
    }

    /// Begins a PUT.
    pub fn put(&self, url: &str) -> Request {
        self.request(Method::PUT, url)
    }

    /// Begins a request. A URL that cannot be fetched shows when it is sent.
    pub fn request(&self, method: Method, url: &str) -> Request {
        Request::new(self.clone(), method, url)
    }

    /// Checks, as far as can be told before anything is asked, whether this client may ask for a URL: its form, its host,
    /// and every address that its name stands for now. What a name stands for later is checked again with each request.
    ///
    /// # Errors
    /// [`NetError::Url`] for what is no URL, [`NetError::Refused`] for where users' URLs may not lead, [`NetError::Lookup`]
    /// for a name that stands for nothing.
    pub async fn judge(&self, url: &str) -> Result<(), NetError> {
        let target = url::parse(url)?;
        match &self.inner.guard {
            None => Ok(()),
            Some(guard) => guard.judge(&target).await,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Checks whether this client may ask for a URL.
    pub(crate) async fn check(&self, target: &Url) -> Result<(), NetError> {
        match &self.inner.guard {
            None => Ok(()),
            Some(guard) => guard.check(target).await,
        }
    }

    pub(crate) fn transport(&self, target: &Url) -> Result<&reqwest::Client, NetError> {
        if target.scheme() == "http" && url::is_loopback(target) {
            ready(&self.inner.here, || self.builder(Reach::Here))
        } else {
            ready(&self.inner.outside, || self.builder(Reach::Outside))
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn builder(&self, reach: Reach) -> Result<reqwest::ClientBuilder, NetError> {
        // Without a provider of its own reqwest takes the process's; a second installation is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = &self.inner.settings;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            // Each hop is checked, and credentials dropped, by us.
            .redirect(redirect::Policy::none());
        match reach {
            Reach::Here => builder = builder.no_proxy().tls_certs_only([]),
            Reach::Outside => {
                if let Some(bundle) = &settings.certificates {
                    builder = builder.tls_certs_merge(Certificate::from_pem_bundle(bundle).map_err(NetError::Setup)?);
                }
            }
        }
        Ok(match &self.inner.guard {
            None => builder,
            Some(guard) => builder.dns_resolver(guard.clone()),
        })
    }
}

enum Reach {
    Here,
    Outside,
}

fn ready(
    cell: &OnceLock<reqwest::Client>,
    builder: impl FnOnce() -> Result<reqwest::ClientBuilder, NetError>,
) -> Result<&reqwest::Client, NetError> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let client = builder()?.build().map_err(NetError::Setup)?;
    Ok(cell.get_or_init(|| client))
}
