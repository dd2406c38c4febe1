//! Paths of the protocol, and what a server and a model say of themselves.

use serde_json::{Value, json};

use super::{datatype, sent_as};
use crate::model::{OutputColumn, Signature};

/// A path of the protocol, behind whatever the server has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path<'p> {
    /// `v2`: what the server is.
    Server,
    /// `v2/health/live`: whether the server lives.
    Live,
    /// `v2/health/ready`: whether all models can be asked.
    Ready,
    /// `v2/models/MODEL[/versions/VERSION]`: what the model takes and gives.
    Model {
        /// Its name.
        model: &'p str,
        /// A version, where the path has one.
        version: Option<&'p str>,
    },
    /// The same and `/ready`: whether the model can be asked.
    ModelReady {
        /// Its name.
        model: &'p str,
        /// A version, where the path has one.
        version: Option<&'p str>,
    },
    /// The same and `/infer`: asks the model, by POST.
    Infer {
        /// Its name.
        model: &'p str,
        /// A version, where the path has one.
        version: Option<&'p str>,
    },
}

impl<'p> Path<'p> {
    /// Reads a path that begins with `v2`, without a `/` before it; nothing if it is none of the protocol. Names stay
    /// percent-encoded.
    pub fn parse(path: &'p str) -> Option<Self> {
        let mut parts = path.trim_end_matches('/').split('/');
        if parts.next() != Some("v2") {
            return None;
        }
        let parts: Vec<&str> = parts.take(6).collect();
        match parts[..] {
            [] => Some(Self::Server),
            ["health", "live"] => Some(Self::Live),
            ["health", "ready"] => Some(Self::Ready),
            ["models", model, ref rest @ ..] if !model.is_empty() => {
                let (version, rest) = match rest {
                    ["versions", version, rest @ ..] if !version.is_empty() => (Some(*version), rest),
                    rest => (None, rest),
                };
                match rest {
                    [] => Some(Self::Model { model, version }),
                    ["ready"] => Some(Self::ModelReady { model, version }),
                    ["infer"] => Some(Self::Infer { model, version }),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Returns what a server says of itself; `version` is that of the program.
pub fn server_metadata(version: &str) -> Value {
    json!({"name": "windlass", "version": version, "extensions": ["binary_tensor_data"]})
}

/// Returns what a model takes and gives. `versions` are those that can be asked.
pub fn model_metadata(
    model: &str,
    versions: &[&str],
    platform: &str,
    signature: &Signature,
    outputs: &[OutputColumn],
) -> Value {
    let inputs = signature.inputs().iter().map(|input| {
        let element = signature.columns_of(input).first().map_or("FP32", |column| datatype(column.element));
        let shape: Vec<i64> = std::iter::once(-1).chain(input.width.and_then(|it| i64::try_from(it).ok())).collect();
        json!({"name": input.name, "datatype": element, "shape": shape})
    });
    let outputs = outputs.iter().map(|output| {
        let element = sent_as(&output.none());
        json!({"name": output.name, "datatype": datatype(element), "shape": [-1]})
    });
    json!({
        "name": model,
        "versions": versions,
        "platform": platform,
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_protocol() {
        let (model, version) = ("m", Some("3"));
        for (path, expected) in [
            ("v2", Some(Path::Server)),
            ("v2/", Some(Path::Server)),
            ("v2/health/live", Some(Path::Live)),
            ("v2/health/ready", Some(Path::Ready)),
            ("v2/models/m", Some(Path::Model { model, version: None })),
            ("v2/models/m/versions/3", Some(Path::Model { model, version })),
            ("v2/models/m/ready", Some(Path::ModelReady { model, version: None })),
            ("v2/models/m/versions/3/ready", Some(Path::ModelReady { model, version })),
            ("v2/models/m/infer", Some(Path::Infer { model, version: None })),
            ("v2/models/m/versions/3/infer", Some(Path::Infer { model, version })),
            ("v2/models/versions/versions/3", Some(Path::Model { model: "versions", version })),
            ("", None),
            ("v1", None),
            ("v2/health", None),
            ("v2/models", None),
            ("v2/models//infer", None),
            ("v2/models/m/versions", None),
            ("v2/models/m/versions//infer", None),
            ("v2/models/m/infer/x", None),
            ("v2/models/m/versions/3/infer/x/y", None),
            ("v2/repository/index", None),
        ] {
            assert_eq!(Path::parse(path), expected, "{path}");
        }
    }
}
