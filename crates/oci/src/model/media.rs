//! Which kind of a model's file a name speaks of.
//!
//! By name alone: bytes of uploads are judged elsewhere, and a wrong guess here costs nothing but a label.

const WEIGHT: &str = "application/vnd.cncf.model.weight.v1.raw";
const WEIGHT_CONFIG: &str = "application/vnd.cncf.model.weight.config.v1.raw";
const DOCUMENT: &str = "application/vnd.cncf.model.doc.v1.raw";
const CODE: &str = "application/vnd.cncf.model.code.v1.raw";

/// Names that say more than their ending.
const CONFIG_NAMES: &[&str] = &[
    "mlmodel",
    "requirements.txt",
    "constraints.txt",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "modelfile",
    "registered_model_meta",
];
const DOCUMENT_NAMES: &[&str] = &["readme", "license", "licence", "notice", "copying", "changelog", "authors"];

const CONFIG_ENDINGS: &[&str] =
    &["json", "jsonl", "yaml", "yml", "toml", "cfg", "conf", "ini", "xml", "lock", "jinja", "jinja2", "vocab", "csv"];
const DOCUMENT_ENDINGS: &[&str] = &["md", "rst", "txt", "html", "htm", "pdf", "png", "jpg", "jpeg", "gif", "svg"];
const CODE_ENDINGS: &[&str] = &[
    "py", "pyi", "ipynb", "sh", "bash", "js", "ts", "java", "go", "rs", "c", "h", "cc", "cpp", "hpp", "cu", "r", "jl",
];

/// Returns the media type of the layer that holds `path`; what nobody recognises counts as weights.
pub(super) fn media_type(path: &str) -> &'static str {
    let (name, stem, ending) = parts(path);
    let is = |list: &[&str], word: &str| list.contains(&word);
    if is(CONFIG_NAMES, &name) {
        WEIGHT_CONFIG
    } else if is(DOCUMENT_NAMES, &stem) {
        DOCUMENT
    } else if is(CONFIG_ENDINGS, &ending) {
        WEIGHT_CONFIG
    } else if is(DOCUMENT_ENDINGS, &ending) {
        DOCUMENT
    } else if is(CODE_ENDINGS, &ending) {
        CODE
    } else {
        WEIGHT
    }
}

/// Returns the format that a file of weights speaks of, for the model's config.
pub(super) fn format_of(path: &str) -> Option<&'static str> {
    match parts(path).2.as_str() {
        "onnx" => Some("onnx"),
        "safetensors" => Some("safetensors"),
        "gguf" => Some("gguf"),
        "pt" | "pth" => Some("pytorch"),
        "h5" | "keras" => Some("keras"),
        "pb" => Some("tensorflow"),
        "tflite" => Some("tflite"),
        "pkl" | "pickle" | "cloudpickle" => Some("pickle"),
        "joblib" => Some("joblib"),
        "skops" => Some("skops"),
        "ubj" | "xgb" => Some("xgboost"),
        "lgb" => Some("lightgbm"),
        "cbm" => Some("catboost"),
        _ => None,
    }
}

/// Returns file name, name without its last ending, and that ending, all in lower case.
fn parts(path: &str) -> (String, String, String) {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem.to_owned(), ending.to_owned()),
        Some(_) | None => (name.clone(), String::new()),
    };
    (name, stem, ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        for (path, expected) in [
            ("model.onnx", WEIGHT),
            ("data/model.pkl", WEIGHT),
            ("unknown.xyz", WEIGHT),
            ("no-ending", WEIGHT),
            (".hidden", WEIGHT),
            ("MLmodel", WEIGHT_CONFIG),
            ("conda.yaml", WEIGHT_CONFIG),
            ("a/requirements.txt", WEIGHT_CONFIG),
            ("README.md", DOCUMENT),
            ("LICENSE", DOCUMENT),
            ("notes.txt", DOCUMENT),
            ("code/train.py", CODE),
        ] {
            assert_eq!(media_type(path), expected, "{path}");
        }
        assert_eq!(format_of("a/model.ONNX"), Some("onnx"));
        assert_eq!(format_of("MLmodel"), None);
    }
}
