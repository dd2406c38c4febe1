//! What a Prometheus server answers to an expression, as numbers.
//!
//! Speaks the instant query of its HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>, "Instant
//! queries"); the expression is handed on as it is. Unlike the rest of this crate it waits for others, so it is async.
//! The answer is theirs: it is read up to a cap, and what is not as the API says is an error. This module does not know
//! what a value means, when to ask, or what is done where there is none.

use std::{collections::BTreeMap, fmt, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::IgnoredAny};
use windlass_kinds::Micros;
use windlass_net::{Client, NetError, Settings, Zone, header::CONTENT_TYPE};

/// The most bytes of an answer that are read.
const ANSWER_CAP: usize = 4 << 20;
/// How deeply an answer may nest: the API's own goes to five.
const DEPTH: usize = 16;
/// The most series of one answer. A monitor's values are kept with each window, so what grows without bound is refused.
pub const SERIES_MAX: usize = 100;
/// The most bytes of a series' labels, all together.
const LABELS_MAX: usize = 512;

/// A Prometheus server, or what speaks like one (Thanos, Mimir, VictoriaMetrics, a managed one).
#[derive(Clone)]
pub struct Prometheus {
    client: Client,
    endpoint: String,
    token: Option<String>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("endpoint", &windlass_net::mask(&self.endpoint)).finish_non_exhaustive()
    }
}

/// One number of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What tells it from the others of the answer: `job=api,code=500`, by label; empty where it has no labels.
    pub labels: String,
    /// The value, which may be NaN or infinite.
    pub value: f64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The server's address is not one.
    #[error("`{0}` is not the address of a Prometheus server; write http://HOST:PORT")]
    Address(String),
    /// Nobody said which server to ask.
    #[error("this server was not told which Prometheus to ask (`windlass up --prometheus URL`)")]
    Unset,
    /// It was not reached, or did not answer in time.
    #[error("failed to ask Prometheus")]
    Ask(#[source] NetError),
    /// It refused the expression, or gave up on it.
    #[error("Prometheus says: {0}")]
    Refused(String),
    /// Its answer is not as the API says.
    #[error("Prometheus answered something else than values: {0}")]
    Unexpected(String),
    /// Its answer has too many series, or their labels are too long.
    #[error("{0}")]
    TooMuch(String),
}

impl Prometheus {
    /// Speaks to the server at `base`, such as `http://127.0.0.1:9090` or `https://HOST/prefix`. Whoever runs Windlass
    /// names it, so that it may well be on this machine or a private network.
    ///
    /// # Errors
    /// `base` is not an address.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, PrometheusError> {
        let base = base.trim_end_matches('/');
        let known = ["http://", "https://"].iter().any(|scheme| base.len() > scheme.len() && base.starts_with(scheme));
        if !known {
            return Err(PrometheusError::Address(windlass_net::mask(base)));
        }
        let client = Client::new(Settings::new(Zone::Operator));
        Ok(Self { client, endpoint: format!("{base}/api/v1/query"), token })
    }

    /// Returns the value of an expression at an instant, one for each series; none where nothing matches.
    ///
    /// # Errors
    /// The server cannot be asked within `limit`, refuses, or answers something else than values.
    pub async fn ask(&self, query: &str, at: Micros, limit: Duration) -> Result<Vec<Sample>, PrometheusError> {
        // In the body, not the address: expressions may be long, and addresses are logged on the way.
        let seconds = at.0.div_euclid(1_000_000);
        let form = format!(
            "query={}&time={seconds}&timeout={}ms",
            utf8_percent_encode(query, NON_ALPHANUMERIC),
            limit.as_millis()
        );
        let mut request = self.client.post(&self.endpoint);
        if let Some(token) = &self.token {
            request = request.bearer(token);
        }
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        // Asking twice does no harm.
        let response = request.timeout(limit).retries(1).send().await.map_err(PrometheusError::Ask)?;
        let status = response.status();
        let body = response.bytes_capped(ANSWER_CAP as u64).await.map_err(PrometheusError::Ask)?;
        match samples(&body) {
            Err(PrometheusError::Unexpected(_)) if !status.is_success() => {
                Err(PrometheusError::Unexpected(format!("HTTP status {status}")))
            }
            answer => answer,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "resultType", content = "result")]
enum Data {
    Scalar(Point),
    Vector(Vec<Series>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Missing where it is a histogram.
    value: Option<Point>,
}

/// An instant in seconds, and the number as text.
type Point = (f64, String);

/// Reads an answer.
fn samples(body: &[u8]) -> Result<Vec<Sample>, PrometheusError> {
    let odd = |error: &dyn fmt::Display| PrometheusError::Unexpected(error.to_string());
    windlass_scan::check_json(body, DEPTH, ANSWER_CAP).map_err(|error| odd(&error))?;
    let answer: Answer = serde_json::from_slice(body).map_err(|error| odd(&error))?;
    let data = match (answer.status.as_str(), answer.data) {
        ("success", Some(data)) => data,
        ("success", None) => return Err(odd(&"no data")),
        _ => {
            let text = [answer.error_type, answer.error].into_iter().flatten().collect::<Vec<_>>().join(": ");
            return Err(PrometheusError::Refused(shortened(&text)));
        }
    };
    match data {
        Data::Scalar((_, value)) => Ok(vec![Sample { labels: String::new(), value: number(&value)? }]),
        Data::Vector(series) => vector(&series),
        Data::Matrix(_) => {
            Err(odd(&"a range of instants; leave the range out, or put a function such as rate() around it"))
        }
        Data::String(_) => Err(odd(&"a string")),
    }
}

fn vector(series: &[Series]) -> Result<Vec<Sample>, PrometheusError> {
    if series.len() > SERIES_MAX {
        let text = format!("the expression has {} series, and at most {SERIES_MAX} are watched", series.len());
        return Err(PrometheusError::TooMuch(text));
    }
    let mut samples = Vec::new();
    for Series { metric, value } in series {
        let Some((_, value)) = value else {
            return Err(PrometheusError::Unexpected("a histogram; take histogram_quantile() of it".to_owned()));
        };
        samples.push(Sample { labels: labels(metric, false)?, value: number(value)? });
    }
    let distinct = |samples: &[Sample]| {
        let labels: std::collections::BTreeSet<&str> = samples.iter().map(|sample| sample.labels.as_str()).collect();
        labels.len() == samples.len()
    };
    if !distinct(&samples) {
        // Series of several names; the name is then what tells them apart.
        for (sample, series) in samples.iter_mut().zip(series) {
            sample.labels = labels(&series.metric, true)?;
        }
        if !distinct(&samples) {
            return Err(PrometheusError::Unexpected("two series with the same labels".to_owned()));
        }
    }
    samples.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(samples)
}

/// Writes what tells a series from others; a value that could be read in two ways is quoted.
fn labels(metric: &BTreeMap<String, String>, named: bool) -> Result<String, PrometheusError> {
    let pairs = metric.iter().filter(|(name, _)| named || *name != "__name__").map(|(name, value)| {
        let plain = !value.is_empty() && !value.chars().any(|c| c.is_control() || matches!(c, ',' | '=' | '"' | '\\'));
        if plain { format!("{name}={value}") } else { format!("{name}={value:?}") }
    });
    let text = pairs.collect::<Vec<_>>().join(",");
    if text.len() > LABELS_MAX {
        let text = format!("a series has labels of {} bytes, and at most {LABELS_MAX} are kept", text.len());
        return Err(PrometheusError::TooMuch(text));
    }
    Ok(text)
}

fn number(text: &str) -> Result<f64, PrometheusError> {
    text.parse().map_err(|_| PrometheusError::Unexpected(format!("the number `{}`", shortened(text))))
}

/// Returns the beginning of a text on one line.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let got = match samples(body.as_bytes()) {
            Ok(samples) => {
                let all = samples.iter().map(|Sample { labels, value }| format!("{{{labels}}} {value}"));
                all.collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert!(got.starts_with(expected), "{body}\n  gives {got}\n  not   {expected}");
    }

    fn vector(series: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
    }

    #[test]
    fn answers_are_read_as_the_api_says() {
        let scalar = |value| {
            format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[1435781451.781,"{value}"]}}}}"#)
        };
        check(&scalar("1.5e-3"), "{} 0.0015");
        check(&scalar("NaN"), "{} NaN");
        check(&scalar("-Inf"), "{} -inf");
        check(&vector(""), "");
        check(&vector(r#"{"metric":{},"value":[1,"2"]}"#), "{} 2");
        check(
            &vector(
                r#"{"metric":{"__name__":"up","job":"b"},"value":[1,"0"]},{"metric":{"__name__":"up","job":"a, b"},"value":[1,"1"]}"#,
            ),
            r#"{job="a, b"} 1; {job=b} 0"#,
        );
        check(
            &vector(
                r#"{"metric":{"__name__":"x","job":"a"},"value":[1,"0"]},{"metric":{"__name__":"y","job":"a"},"value":[1,"1"]}"#,
            ),
            "{__name__=x,job=a} 0; {__name__=y,job=a} 1",
        );
        check(
            r#"{"status":"success","warnings":["w"],"infos":[],"data":{"resultType":"scalar","result":[1,"2"]}}"#,
            "{} 2",
        );
    }

    #[test]
    fn what_is_no_value_says_why() {
        check(
            r#"{"status":"error","errorType":"bad_data","error":"1:3: parse\nerror"}"#,
            "Prometheus says: bad_data: 1:3: parse error",
        );
        check("<html>", "Prometheus answered something else than values: ");
        check("{}", "Prometheus answered something else than values: ");
        check(r#"{"status":"success"}"#, "Prometheus answered something else than values: no data");
        check(&"[".repeat(100), "Prometheus answered something else than values: JSON nested deeper");
        check(
            &vector(r#"{"metric":{},"histogram":[1,{}]}"#),
            "Prometheus answered something else than values: a histogram",
        );
        check(
            &vector(r#"{"metric":{},"value":[1,"x"]}"#),
            "Prometheus answered something else than values: the number `x`",
        );
        check(&vector(r#"{"metric":{},"value":[1]}"#), "Prometheus answered something else than values: ");
        check(
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            "Prometheus answered something else than values: a range",
        );
        check(
            r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#,
            "Prometheus answered something else than values: a string",
        );
        let twin = r#"{"metric":{"a":"b"},"value":[1,"1"]}"#;
        check(&vector(&format!("{twin},{twin}")), "Prometheus answered something else than values: two series");
        let many: Vec<String> = (0..101).map(|n| format!(r#"{{"metric":{{"n":"{n}"}},"value":[1,"1"]}}"#)).collect();
        check(&vector(&many.join(",")), "the expression has 101 series, and at most 100 are watched");
        let long = format!(r#"{{"metric":{{"n":"{}"}},"value":[1,"1"]}}"#, "x".repeat(600));
        check(&vector(&long), "a series has labels of 602 bytes");
    }

    #[test]
    fn a_server_is_named_by_its_address_and_keeps_its_secrets() {
        for bad in ["", "localhost:9090", "http://", "ftp://x"] {
            assert!(Prometheus::new(bad, None).is_err(), "{bad}");
        }
        let server = Prometheus::new("https://me:hidden@host/select/0/prometheus/", Some("secret".to_owned())).unwrap();
        let shown = format!("{server:?}");
        assert!(shown.contains("host/select/0/prometheus/api/v1/query"), "{shown}");
        assert!(!shown.contains("hidden") && !shown.contains("secret"), "{shown}");
    }
}
