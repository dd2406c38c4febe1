//! `windlass story MODEL`: the history of a model, told in order with its reasons.

use std::process::ExitCode;

use windlass_api::{StoryLine, encode};

use crate::{
    args::{Global, StoryArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, instant, out},
};

pub(crate) async fn run(global: &Global, args: StoryArgs) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    let path = format!("/api/v1/models/{}/story", encode(&args.model));
    let story: Vec<StoryLine> = client.get(&path).await.map_err(failure)?;
    view::show(global.output, &story, || {
        for StoryLine { at, what, text } in &story {
            out!("{}  {what:<8}  {text}", instant(*at));
        }
    });
    Ok(ExitCode::SUCCESS)
}
