//! Bodies of requests and what is read from them.
