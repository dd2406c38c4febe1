//! The binary as its users meet it: bad input row by row, kills, and the verbs, in fresh folders and without Python.

mod data;
mod harness;
mod kill;
mod machine;
mod objects;
mod requests;
mod requirements;
mod steps;
mod verbs;
mod yaml;
