//! The process that holds one loaded model and answers for it.
