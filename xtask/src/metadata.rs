//! What `cargo metadata` says, as far as the checks read it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::shell;

/// All packages, and which of them are ours.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package, ours and others'.
    pub(crate) packages: Vec<Package>,
    /// The ids of ours.
    workspace_members: Vec<String>,
    /// Who uses whom, after features and platform were resolved.
    resolve: Option<Resolve>,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    id: String,
    /// Its licence, as an SPDX expression.
    pub(crate) license: Option<String>,
    /// What it names under the tables of dependencies.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a table of dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package it names.
    pub(crate) name: String,
    /// `dev`, `build`, or nothing.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Debug, Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, for the platform that we run on.
    pub(crate) fn read() -> Result<Self> {
        let version = shell::read(std::process::Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
        let text = shell::read(shell::cargo().args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            host,
        ]))?;
        serde_json::from_str(&text).context("failed to read what cargo metadata says")
    }

    /// Returns our own packages.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// Returns the packages of others that end up in the binary or build it: all that ours reach, but for what only
    /// tests use.
    pub(crate) fn others_linked(&self) -> Vec<&Package> {
        let nodes: BTreeMap<&str, &Node> =
            self.resolve.iter().flat_map(|it| &it.nodes).map(|node| (node.id.as_str(), node)).collect();
        let mut reached: Vec<&str> = self.workspace_members.iter().map(String::as_str).collect();
        let mut next = 0;
        while let Some(id) = reached.get(next) {
            next += 1;
            for dependency in nodes.get(id).iter().flat_map(|node| &node.deps) {
                let only_tests = dependency.dep_kinds.iter().all(|it| it.kind.as_deref() == Some("dev"));
                if !only_tests && !reached.contains(&dependency.pkg.as_str()) {
                    reached.push(&dependency.pkg);
                }
            }
        }
        let others = |package: &&Package| !self.workspace_members.contains(&package.id);
        self.packages.iter().filter(|package| reached.contains(&package.id.as_str())).filter(others).collect()
    }
}
