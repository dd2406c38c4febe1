//! `windlass token create|list|revoke`.

use std::process::ExitCode;

use windlass_api::{TokenAnswer, TokenRequest};
use windlass_kinds::{manifest::Role, record::Token};

use crate::{
    args::{Global, RoleArg, TokenCommand},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant},
};

pub(crate) async fn run(global: &Global, command: TokenCommand) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    match command {
        TokenCommand::Create { name, role, expires } => {
            let role = match role {
                RoleArg::Viewer => Role::Viewer,
                RoleArg::Contributor => Role::Contributor,
                RoleArg::Maintainer => Role::Maintainer,
                RoleArg::Admin => Role::Admin,
            };
            let request = TokenRequest {
                name,
                project: global.in_project.clone(),
                role,
                seconds: expires.map(|span| span.0.as_secs()),
            };
            let answer: TokenAnswer = client.post("/api/v1/tokens", &request).await.map_err(failure)?;
            view::show(global.output, &answer, || {
                eprintln!("token {} ({}); it is shown this once:", answer.token.name, answer.token.id);
                crate::view::out!("{}", answer.secret);
            });
        }
        TokenCommand::List => {
            let tokens: Vec<Token> = client.get("/api/v1/tokens").await.map_err(failure)?;
            view::show(global.output, &tokens, || {
                let mut table = Table::new(&["id", "name", "role", "project", "made", "expires", "last used", ""]);
                for token in &tokens {
                    let at = |at: Option<windlass_kinds::Micros>| at.map_or_else(String::new, instant);
                    table.row([
                        token.id.to_string(),
                        token.name.clone(),
                        format!("{:?}", token.role).to_lowercase(),
                        token.project.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
                        instant(token.created_at),
                        at(token.expires_at),
                        at(token.last_used_at),
                        token.revoked_at.map_or("", |_| "revoked").to_owned(),
                    ]);
                }
                table.print();
            });
        }
        TokenCommand::Revoke { which } => {
            let tokens: Vec<Token> = client.get("/api/v1/tokens").await.map_err(failure)?;
            let live: Vec<&Token> = tokens
                .iter()
                .filter(|known| known.revoked_at.is_none() && (known.id.as_str() == which || known.name == which))
                .collect();
            let [found] = live.as_slice() else {
                let problem = if live.is_empty() { "there is no live token" } else { "there are several tokens" };
                return Err(Failure::user(format!("{problem} `{which}`")).hint("`windlass token list` shows their ids"));
            };
            client.delete::<serde_json::Value>(&format!("/api/v1/tokens/{}", found.id)).await.map_err(failure)?;
            view::show(global.output, *found, || crate::view::out!("token {} revoked", found.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}
