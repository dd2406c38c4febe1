//! Finds the server to talk to: named, or the one that runs over the data folder.

use windlass_api::{Client, ClientError};
use windlass_kinds::{
    Kind, Name, ObjectRef,
    manifest::{JobTemplateSpec, Known, Spec, TemplateRef},
    record::Revision,
};

use crate::{args::Global, data_folder::DataFolder, failure::Failure};

/// Connects to the server.
pub(crate) fn connect(global: &Global) -> Result<Client, Failure> {
    if let Some(server) = &global.server {
        let token = global.token.clone().or_else(|| DataFolder::open(&global.data_dir).ok()?.token());
        let token = token.ok_or_else(|| {
            Failure::user("a token is needed to talk to a named server").hint("give it with --token or WINDLASS_TOKEN")
        })?;
        return client(global, server, &token);
    }
    let no_server = || {
        Failure::user(format!("no server runs over the data folder {}", global.data_dir.display()))
            .hint("start one with `windlass up`, or name another with --server or --data-dir")
    };
    let folder = DataFolder::open(&global.data_dir).map_err(|_| no_server())?;
    let server = folder.server().filter(|_| folder.is_locked()).ok_or_else(no_server)?;
    let token = global.token.clone().or_else(|| folder.token()).ok_or_else(no_server)?;
    client(global, &format!("http://{}", server.address), &token)
}

/// Makes a client for a server, about the project that was named.
pub(crate) fn client(global: &Global, server: &str, token: &str) -> Result<Client, Failure> {
    let client = Client::new(server, token).map_err(failure)?;
    Ok(match &global.in_project {
        Some(project) => client.in_project(project),
        None => client,
    })
}

/// Shows a client's error as a failure.
pub(crate) fn failure(error: ClientError) -> Failure {
    match error {
        ClientError::Refused { status, body } => Failure::refused(status, body),
        error @ ClientError::Address(_) => Failure::user(windlass_control::chain(&error)),
        error => Failure::user_because("failed to talk to the server", error)
            .hint("is it running? `windlass up` starts one; --server names another"),
    }
}

/// What the server has already, for cross references.
#[derive(Debug)]
pub(crate) struct ServerKnows {
    current: Vec<Revision>,
    /// Every revision of every template that is there: a published version stays usable after the next one.
    templates: Vec<Revision>,
}

impl Known for ServerKnows {
    fn has(&self, project: &Name, object: &ObjectRef) -> bool {
        self.current
            .iter()
            .any(|known| known.project == *project && known.kind == object.kind && known.name == object.name)
    }

    fn template(&self, project: &Name, template: &TemplateRef) -> Option<JobTemplateSpec> {
        let here = self.templates.iter().filter(|known| known.project == *project && known.name == template.name);
        here.filter_map(|known| match &known.manifest.spec {
            Spec::JobTemplate(spec) if spec.version == template.version => Some(spec.clone()),
            _ => None,
        })
        .next()
    }

    fn names(&self, project: &Name, kind: Kind) -> Vec<Name> {
        let of_kind = self.current.iter().filter(|known| known.project == *project && known.kind == kind);
        of_kind.map(|known| known.name.clone()).collect()
    }
}

/// Asks the server what it has.
pub(crate) async fn known(client: &Client) -> Result<ServerKnows, Failure> {
    let current: Vec<Revision> = match client.get("/api/v1/objects").await {
        Ok(current) => current,
        // The project that is named comes into being with what is applied.
        Err(ClientError::Refused { status: 404, .. }) => Vec::new(),
        Err(error) => return Err(failure(error)),
    };
    let mut templates = Vec::new();
    for revision in current.iter().filter(|revision| revision.kind == Kind::JobTemplate) {
        let path = format!("/api/v1/objects/{}/{}/history", revision.kind, revision.name);
        let history: Vec<Revision> = client.in_project(&revision.project).get(&path).await.map_err(failure)?;
        templates.extend(history);
    }
    Ok(ServerKnows { current, templates })
}
