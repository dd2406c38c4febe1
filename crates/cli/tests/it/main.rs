//! The binary as its users meet it: bad input row by row, kills, and the verbs, in fresh folders and without Python.

mod harness;
mod yaml;
