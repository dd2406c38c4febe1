//! Runs uv: with an environment of its own, its words captured, masked and passed on.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::Command,
};
use windlass_kinds::record::PrepareFailure;

use super::{Progress, failure};

/// The most we keep of what uv says, in bytes.
const WORDS_CAP: usize = 64 << 10;
/// The largest lock we take, in bytes.
const OUTPUT_CAP: u64 = 64 << 20;

/// A uv that works.
#[derive(Debug, Clone)]
pub(super) struct Uv {
    program: PathBuf,
    version: String,
    variables: BTreeMap<String, String>,
    secrets: Vec<String>,
}

/// How a run of uv ended.
pub(super) struct Outcome {
    /// Whether it exited with 0.
    pub(super) is_success: bool,
    /// What it wrote to standard output.
    pub(super) output: String,
    /// What it said, masked and capped.
    pub(super) words: String,
}

impl Uv {
    pub(super) fn new(
        program: PathBuf,
        version: String,
        variables: BTreeMap<String, String>,
        secrets: Vec<String>,
    ) -> Self {
        Self { program, version, variables, secrets }
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Runs uv in the folder `within`. It dies with the future. `held` is a lock that stays held for as long as uv
    /// lives, even where this process is killed: uv gets it as its standard input, which it does not read.
    pub(super) async fn run(
        &self,
        arguments: &[&str],
        within: &Path,
        held: Option<&File>,
        progress: Progress<'_>,
    ) -> Result<Outcome, PrepareFailure> {
        self.run_program(&self.program, arguments, within, held, progress)
            .await
            .map_err(|error| failure::system(&format!("run `{}`", self.program.display()), &error))
    }

    /// Runs another program the same way.
    pub(super) async fn run_program(
        &self,
        program: &Path,
        arguments: &[&str],
        within: &Path,
        held: Option<&File>,
        progress: Progress<'_>,
    ) -> io::Result<Outcome> {
        let input = match held {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::null(),
        };
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(within)
            .env_clear()
            .envs(&self.variables)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(output), Some(words)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("its output could not be captured"));
        };
        let read = async {
            let mut text = Vec::new();
            output.take(OUTPUT_CAP).read_to_end(&mut text).await?;
            Ok::<_, io::Error>(String::from_utf8_lossy(&text).into_owned())
        };
        let (output, words) = tokio::try_join!(read, self.listen(words, progress))?;
        let status = child.wait().await?;
        Ok(Outcome { is_success: status.success(), output, words })
    }

    /// Passes lines on as they come and keeps the first and last of them.
    async fn listen(&self, words: impl AsyncRead + Unpin, progress: Progress<'_>) -> io::Result<String> {
        let mut kept = String::new();
        let mut lines = BufReader::new(words);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = WORDS_CAP as u64;
            if (&mut lines).take(limit).read_until(b'\n', &mut line).await? == 0 {
                return Ok(kept);
            }
            let text = self.mask(String::from_utf8_lossy(&line).trim_end());
            if !text.is_empty() {
                progress(&text);
            }
            kept.push_str(&text);
            kept.push('\n');
            if kept.len() > 2 * WORDS_CAP {
                let cut = kept.ceil_char_boundary(kept.len() - WORDS_CAP);
                kept.replace_range(..cut, "[…]\n");
            }
        }
    }

    fn mask(&self, text: &str) -> String {
        mask(text, &self.secrets)
    }
}

/// Masks known secrets, and whatever stands where a URL has its user.
fn mask(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "***");
        }
    }
    if !text.contains("://") {
        return text;
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        masked.push_str(head);
        let end = tail.find(|character: char| character == '/' || character.is_whitespace()).unwrap_or(tail.len());
        rest = match tail[..end].rfind('@') {
            Some(user) => {
                masked.push_str("***");
                &tail[user..]
            }
            None => tail,
        };
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn credentials_are_masked() {
        let secrets = ["s3cret".to_owned()];
        for (said, shown) in [
            ("Failed to fetch: `https://me:s3cret@host/simple/`", "Failed to fetch: `https://***@host/simple/`"),
            ("from git+https://token@host/x and http://u:p@h", "from git+https://***@host/x and http://***@h"),
            ("the word s3cret alone", "the word *** alone"),
            ("https://host/a@b is fine", "https://host/a@b is fine"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(mask(said, &secrets), shown);
        }
    }
}
