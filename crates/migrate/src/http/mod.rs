//! An MLflow server, read through its REST API.

mod files;
mod read;

use async_trait::async_trait;
use serde_json::{Value, json};
use windlass_api::encode;
use windlass_net::{Client, Method, Request, Settings, Zone, header};

use crate::{Cursor, Experiment, Files, Folder, LoggedModel, Model, Point, Run, Source, SourceError, Version};
pub(crate) use read::{CONTEXT, RUN_NAME, stage, status};
use read::{list, opt_text, text};

/// The most of one answer that is read, in bytes: a page of runs with many params is large.
const ANSWER_CAP: u64 = 256 << 20;
/// How often something is asked again that a passing trouble kept from being answered.
const RETRIES: u32 = 5;
/// How many runs a page has, experiments and models, and points.
const RUNS: u32 = 200;
const PAGE: u32 = 1000;
const MODELS: u32 = 100;
const POINTS: u32 = 10_000;

/// How to sign in at the source.
#[derive(Clone, Default)]
pub struct Credentials {
    /// A bearer token.
    pub token: Option<String>,
    /// User and password.
    pub basic: Option<(String, String)>,
}

/// An MLflow server.
pub struct HttpSource {
    http: Client,
    base: String,
    authorization: Option<String>,
    folder: Option<Folder>,
}

impl HttpSource {
    /// Names a server such as `http://127.0.0.1:5000`. Nothing is asked yet.
    pub fn new(base: &str, credentials: Credentials) -> Result<Self, SourceError> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let base = base.trim_end_matches('/');
        let rest = base.split_once("://").map_or("", |(_, rest)| rest);
        if rest.is_empty() {
            return Err(SourceError::Address(windlass_net::mask(base)));
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(SourceError::Secret);
        }
        let authorization = match credentials {
            Credentials { token: Some(token), basic: _ } => Some(format!("Bearer {token}")),
            Credentials { token: None, basic: Some((user, password)) } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Credentials { token: None, basic: None } => None,
        };
        let settings = Settings { retries: RETRIES, ..Settings::new(Zone::Operator) };
        Ok(Self { http: Client::new(settings), base: base.to_owned(), authorization, folder: None })
    }

    /// Takes files from a folder on this machine instead of through the server.
    pub fn with_files(self, folder: Folder) -> Self {
        Self { folder: Some(folder), ..self }
    }

    fn request(&self, method: Method, path: &str) -> Request {
        let request = self.http.request(method, &format!("{}{path}", self.base));
        match &self.authorization {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Result<Value, SourceError> {
        Ok(self.request(Method::GET, path).send_ok().await?.json_capped(ANSWER_CAP).await?)
    }

    /// Asks by POST for what is only read, and so may be asked again.
    async fn post(&self, path: &str, body: &Value) -> Result<Value, SourceError> {
        let request = self.request(Method::POST, path).json(body).retries(RETRIES);
        Ok(request.send_ok().await?.json_capped(ANSWER_CAP).await?)
    }

    /// Returns all of a list that is asked for by GET.
    async fn all(&self, path: &str, name: &str) -> Result<Vec<Value>, SourceError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = match &token {
                None => self.get(path).await?,
                Some(token) => self.get(&format!("{path}&page_token={}", encode(token))).await?,
            };
            found.extend(list(&page, name).iter().cloned());
            token = next(&page);
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns the registered models that a filter finds.
    async fn models_where(&self, filter: &str) -> Result<Vec<Model>, SourceError> {
        let path = format!("/api/2.0/mlflow/registered-models/search?max_results={MODELS}&filter={}", encode(filter));
        self.all(&path, "registered_models").await?.iter().map(read::model).collect()
    }
}

/// Returns the token of the next page.
fn next(page: &Value) -> Option<String> {
    opt_text(page, "next_page_token")
}

/// Goes on to the next page, or to the end.
fn turn(cursor: &mut Cursor, page: &Value) {
    cursor.token = next(page);
    cursor.is_done = cursor.token.is_none();
}

/// The filter that finds prompts, which other searches leave out.
const PROMPTS: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";

#[async_trait]
impl Source for HttpSource {
    fn shown(&self) -> &str {
        &self.base
    }

    async fn experiments(&self) -> Result<Vec<Experiment>, SourceError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let body = json!({"max_results": PAGE, "view_type": "ALL", "page_token": token});
            let page = self.post("/api/2.0/mlflow/experiments/search", &body).await?;
            for value in list(&page, "experiments") {
                found.push(read::experiment(value)?);
            }
            token = next(&page);
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn runs(&self, experiment: &str, cursor: &mut Cursor) -> Result<Option<Vec<Run>>, SourceError> {
        if cursor.is_done {
            return Ok(None);
        }
        // Oldest first: what is made meanwhile comes behind, and moves no page.
        let body = json!({
            "experiment_ids": [experiment], "run_view_type": "ALL", "max_results": RUNS,
            "order_by": ["attributes.start_time ASC"], "page_token": cursor.token,
        });
        let page = self.post("/api/2.0/mlflow/runs/search", &body).await?;
        turn(cursor, &page);
        list(&page, "runs").iter().map(read::run).collect::<Result<_, _>>().map(Some)
    }

    async fn points(&self, run: &Run, cursor: &mut Cursor) -> Result<Option<Vec<Point>>, SourceError> {
        let Some(latest) = run.latest.get(cursor.place) else { return Ok(None) };
        let mut path = format!(
            "/api/2.0/mlflow/metrics/get-history?run_id={}&metric_key={}&max_results={POINTS}",
            encode(run.id.as_str()),
            encode(&latest.key)
        );
        if let Some(token) = &cursor.token {
            path.push_str(&format!("&page_token={}", encode(token)));
        }
        let page = self.get(&path).await?;
        cursor.token = next(&page);
        if cursor.token.is_none() {
            cursor.place += 1;
        }
        list(&page, "metrics").iter().map(read::point).collect::<Result<_, _>>().map(Some)
    }

    async fn logged_models(
        &self,
        experiment: &str,
        cursor: &mut Cursor,
    ) -> Result<Option<Vec<LoggedModel>>, SourceError> {
        if cursor.is_done {
            return Ok(None);
        }
        let body = json!({"experiment_ids": [experiment], "max_results": MODELS, "page_token": cursor.token});
        let page = match self.post("/api/2.0/mlflow/logged-models/search", &body).await {
            // Before 3.0 there were none.
            Err(SourceError::Net(windlass_net::NetError::Status { status, .. })) if status == 404 => json!({}),
            page => page?,
        };
        turn(cursor, &page);
        list(&page, "models").iter().map(read::logged_model).collect::<Result<_, _>>().map(Some)
    }

    async fn models(&self) -> Result<Vec<Model>, SourceError> {
        let mut models = self.models_where("").await?;
        let prompts = match self.models_where(PROMPTS).await {
            Err(SourceError::Net(windlass_net::NetError::Status { status, .. })) if status == 400 => Vec::new(),
            prompts => prompts?,
        };
        for prompt in prompts {
            if !models.iter().any(|model| model.name == prompt.name) {
                models.push(prompt);
            }
        }
        Ok(models)
    }

    async fn versions(&self, model: &str) -> Result<Vec<Version>, SourceError> {
        let quote = if model.contains('\'') { '"' } else { '\'' };
        let mut found = Vec::new();
        for more in ["", " AND tags.`mlflow.prompt.is_prompt` = 'true'"] {
            let filter = format!("name = {quote}{model}{quote}{more}");
            let path = format!("/api/2.0/mlflow/model-versions/search?max_results={PAGE}&filter={}", encode(&filter));
            for value in self.all(&path, "model_versions").await? {
                let mut version = read::version(&value)?;
                version.location = self.location(model, &version).await?;
                found.push(version);
            }
            if !found.is_empty() {
                break;
            }
        }
        found.sort_by_key(|version| version.version);
        Ok(found)
    }

    fn files(&self) -> Option<&dyn Files> {
        match &self.folder {
            Some(folder) => Some(folder),
            None => Some(self),
        }
    }
}

impl HttpSource {
    /// Returns where the files of a version are: for a copy of another version, where that one's are.
    async fn location(&self, model: &str, version: &Version) -> Result<String, SourceError> {
        let is_copy = version.source.strip_prefix("models:/").is_some_and(|rest| !rest.starts_with("m-"));
        if !is_copy {
            return Ok(version.source.clone());
        }
        let path = format!(
            "/api/2.0/mlflow/model-versions/get-download-uri?name={}&version={}",
            encode(model),
            version.version
        );
        text(&self.get(&path).await?, "artifact_uri")
    }
}
