//! The cache key of a step.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_kinds::{
    Digest, Name, canonical,
    manifest::{OutputSpec, StepDefaults, StepSpec},
    record::CacheKey,
};

/// What a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct KeyFacts<'a> {
    /// The step.
    pub step: &'a StepSpec,
    /// The tree of the code folder.
    pub code: Option<&'a Digest>,
    /// The lock of the Python environment.
    pub lock: Option<&'a Digest>,
    /// The parameters as the step sees them; see [`super::step_parameters`].
    pub parameters: &'a BTreeMap<String, Value>,
    /// The digest of each input.
    pub inputs: &'a BTreeMap<Name, String>,
    /// The architecture of the place.
    pub architecture: &'a str,
    /// The project.
    pub project: &'a Name,
    /// The name of the environment.
    pub environment: &'a Name,
}

/// Returns the key under which a step's result is kept.
///
/// A cached result stands in for running a step, so the key must hold everything that can change what the step leaves
/// behind, or a wrong result comes back in silence. And it must hold nothing else, or a result that is right is
/// computed again, which is what people notice and switch caching off for. Both mistakes are ours to avoid; the step's
/// author only promises that the step depends on what it was given. So, part by part:
///
/// - `command`: program and arguments, in order. The same code called otherwise is another step.
/// - `code`: the digest of the code folder as it was applied. The whole folder: which of its files a script imports
///   cannot be known without running it. `none` where the pipeline has no code.
/// - `lock`: the digest of the resolved Python environment, which holds each package with its version and hash and the
///   interpreter. Not the requirements as written: `numpy` means something else next month, and two ways to write the
///   same lock are the same. `none` where the step asks for no environment. (Steps in containers will have the image's
///   digest here.)
/// - `parameter.<name>`: each parameter as the step sees it, the run's with the step's own and the fan-out's value on
///   top, in canonical JSON. All of them, though a script may read only some: it gets them all. One part a parameter,
///   so that `why` can say which one differs.
/// - `input.<name>`: the digest of each input's content. For a dataset that of the version's files, not its number: a
///   dataset that goes back to an earlier state gets the earlier results back. For an output the digest of its tree,
///   whoever made it and whenever. For a fan-in the values and trees in order, since the order shows in the names of
///   the folders. Whether an output is one file or a folder is part of it: the step finds another path.
/// - `env.<NAME>`: the digest of each environment variable's value that the manifest sets, from the template, the
///   pipeline or the step, after merging. A digest and not the value, so that `why` shows no secret.
/// - `output.<name>`: each declared output, whether it may be missing, and as which model it is registered. A result
///   from before an output was declared lacks it, and one from before it became a model registered nothing: neither
///   can stand in. These two are the template's semantic digest: with command, code and lock above they are all of a
///   step's settings that can change its result.
/// - `architecture`: floating point and wheels differ between them.
/// - `world-size`: how many processes share the work; one, until steps can be distributed. It changes what a shard
///   sees and the order of sums.
/// - `project`: results do not cross projects, whose members may not see each other's data.
/// - `environment`: the place's name, for what a place brings along that nobody declared.
///
/// What stays out, though it is in the manifest: the names of pipeline, step and template (a renamed step does the
/// same); retries, time-outs, priority and resources (how long and where, not what: a step whose result depends on
/// the number of its processors has to take that number as a parameter); `needs`, `when` and `wait` (whether and when
/// it runs); labels, descriptions. And what is not: time, run numbers, attempt ids, addresses and tokens, which differ
/// every time and must not matter.
pub fn key(facts: &KeyFacts<'_>) -> CacheKey {
    // No `..`: a new fact must be weighed here or this stops compiling.
    let KeyFacts { step, code, lock, parameters, inputs, architecture, project, environment } = *facts;
    let text = |digest: Option<&Digest>| digest.map_or_else(|| "none".to_owned(), Digest::to_string);
    let json = |value: &Value| String::from_utf8_lossy(&canonical::to_bytes(value)).into_owned();
    let mut parts = BTreeMap::from([
        ("command".to_owned(), json(&step.command.clone().into())),
        ("code".to_owned(), text(code)),
        ("lock".to_owned(), text(lock)),
        ("architecture".to_owned(), architecture.to_owned()),
        ("world-size".to_owned(), "1".to_owned()),
        ("project".to_owned(), project.to_string()),
        ("environment".to_owned(), environment.to_string()),
    ]);
    parts.extend(parameters.iter().map(|(name, value)| (format!("parameter.{name}"), json(value))));
    parts.extend(inputs.iter().map(|(name, digest)| (format!("input.{name}"), digest.clone())));
    // The environment is in through its lock; how long, how often and on how much is left out on purpose.
    let StepDefaults { python: _, env, retries: _, timeout: _, resources: _ } = &step.settings;
    parts.extend(env.iter().map(|(name, value)| (format!("env.{name}"), Digest::sha256(value).to_string())));
    parts.extend(step.outputs.iter().map(|(name, output)| {
        let OutputSpec { model, optional } = output;
        let needed = if *optional { "optional" } else { "required" };
        let registered = model.as_ref().map_or_else(String::new, |model| format!(", registered as {model}"));
        (format!("output.{name}"), format!("{needed}{registered}"))
    }));
    CacheKey { digest: canonical::digest(&parts), parts }
}

/// A part in which two keys differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDifference {
    /// The part: `parameter.seed`.
    pub part: String,
    /// What it is here; `None` where this key has no such part.
    pub this: Option<String>,
    /// What it is in the other key.
    pub other: Option<String>,
}

impl fmt::Display for PartDifference {
    /// Writes `parameter.seed: 7, was 6`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.this, &self.other) {
            (Some(this), Some(other)) => write!(f, "{}: {}, was {}", self.part, short(this), short(other)),
            (Some(this), None) => write!(f, "{}: {}, was not there", self.part, short(this)),
            (None, Some(other)) => write!(f, "{}: gone, was {}", self.part, short(other)),
            (None, None) => write!(f, "{}", self.part),
        }
    }
}

/// Returns a value as far as people read it: a digest's first digits, a long text's beginning.
fn short(text: &str) -> String {
    const MOST: usize = 100;
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64);
    match digits.and_then(|digits| digits.get(..12)) {
        Some(digits) => format!("sha256:{digits}"),
        None if text.chars().count() > MOST => text.chars().take(MOST).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Returns the parts in which `this` differs from `other`, by name.
pub fn explain(this: &CacheKey, other: &CacheKey) -> Vec<PartDifference> {
    let mut names: Vec<&String> = this.parts.keys().chain(other.parts.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| this.parts.get(*name) != other.parts.get(*name))
        .map(|name| PartDifference {
            part: name.clone(),
            this: this.parts.get(name).cloned(),
            other: other.parts.get(name).cloned(),
        })
        .collect()
}
