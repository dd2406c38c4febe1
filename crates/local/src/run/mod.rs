//! Tracks a command that has no manifest.
