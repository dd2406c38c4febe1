//! The protocols in which predictions are asked for: Open Inference Protocol v2 and `/invocations`.
