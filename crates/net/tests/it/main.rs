//! The client against servers that misbehave.

mod download;
mod exchange;
mod server;
mod socket;
mod zones;
