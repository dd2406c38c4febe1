//! `windlass token create|list|revoke`.

use std::process::ExitCode;

use windlass_api::{Client, TokenAnswer, TokenRequest};
use windlass_kinds::{Micros, manifest::Role, record::Token};

use crate::{
    args::{Global, RoleArg, TokenCommand},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant},
};

const TOKENS: &str = "/api/v1/tokens";

pub(crate) async fn run(global: &Global, command: TokenCommand) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    match command {
        TokenCommand::Create { name, role, user, replace, expires } => {
            let role = match role {
                Some(role) => role.into(),
                // What a user may do is said by projects; a token need not say less.
                None if user.is_some() => Role::Admin,
                None => Role::Contributor,
            };
            let project = global.in_project.clone();
            let seconds = expires.map(|span| span.0.as_secs());
            let request = TokenRequest { name, project, role, user, replace, seconds };
            let answer: TokenAnswer = client.post(TOKENS, &request).await.map_err(failure)?;
            view::show(global.output, &answer, || {
                eprintln!("token {} ({}); it is shown this once:", answer.token.name, answer.token.id);
                crate::view::out!("{}", answer.secret);
            });
        }
        TokenCommand::List => {
            let tokens: Vec<Token> = client.get(TOKENS).await.map_err(failure)?;
            view::show(global.output, &tokens, || show(&tokens));
        }
        TokenCommand::Revoke { which } => {
            let found = find(&client, &which).await?;
            client.delete::<serde_json::Value>(&format!("{TOKENS}/{}", found.id)).await.map_err(failure)?;
            view::show(global.output, &found, || match found.revoked_at {
                None => crate::view::out!("token {} revoked", found.name),
                Some(at) => crate::view::out!("token {} was revoked before ({})", found.name, instant(at)),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Contributor => Self::Contributor,
            RoleArg::Maintainer => Self::Maintainer,
            RoleArg::Admin => Self::Admin,
        }
    }
}

/// Returns the one token with this id or name; among those that were revoked only where no other has it.
async fn find(client: &Client, which: &str) -> Result<Token, Failure> {
    let tokens: Vec<Token> = client.get(TOKENS).await.map_err(failure)?;
    let of_name = |known: &Token| known.id.as_str() == which || known.name == which;
    let (live, revoked): (Vec<Token>, Vec<Token>) =
        tokens.into_iter().filter(of_name).partition(|token| token.revoked_at.is_none());
    let problem = match live.len() {
        0 => match revoked.into_iter().next_back() {
            Some(last) => return Ok(last),
            None => "there is no token",
        },
        1 => return Ok(live.into_iter().next().expect("one")),
        _ => "there are several tokens",
    };
    Err(Failure::user(format!("{problem} `{which}`")).hint("`windlass token list` shows their ids"))
}

fn show(tokens: &[Token]) {
    let mut table = Table::new(&["id", "name", "user", "role", "project", "made", "expires", "last used", ""]);
    for token in tokens {
        let at = |at: Option<Micros>| at.map_or_else(String::new, instant);
        table.row([
            token.id.to_string(),
            token.name.clone(),
            token.user.clone().unwrap_or_default(),
            match token.user {
                Some(_) if token.role == Role::Admin => "as member".to_owned(),
                Some(_) => format!("as member, at most {}", word(token.role)),
                None => word(token.role),
            },
            token.project.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string),
            instant(token.created_at),
            at(token.expires_at),
            at(token.last_used_at),
            token.revoked_at.map_or("", |_| "revoked").to_owned(),
        ]);
    }
    table.print();
}

fn word(role: Role) -> String {
    format!("{role:?}").to_lowercase()
}
