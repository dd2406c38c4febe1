//! Who may do what: one table, and what it does not name is refused.
//!
//! A role includes the roles before it, so that each operation needs only its least role. The table knows nothing of
//! tokens, sessions or HTTP; a caller brings a role and the project its token is good for.

use windlass_kinds::{Name, manifest::Role};

/// Everything that somebody can ask for and that may be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Manifests, their history, dataset versions, what applying would change.
    ReadObjects,
    /// Pipeline runs, steps, attempts, logs, triggers.
    ReadRuns,
    /// Experiments, tracking runs, metrics, traces, logged models.
    ReadTracking,
    /// Blobs, artifacts, files of models.
    ReadContent,
    /// The ledger and the export of the whole state.
    ReadLedger,
    /// Start a pipeline.
    StartRun,
    /// End a pipeline run.
    CancelRun,
    /// Go on from the failed steps of a pipeline run.
    RetryRun,
    /// Close the breaker of a trigger.
    ResetTrigger,
    /// Make experiments and tracking runs; log to them.
    WriteTracking,
    /// Upload blobs and artifacts.
    WriteContent,
    /// Make registered models and versions of them; describe and tag them.
    RegisterModel,
    /// Ask an endpoint for predictions, which are kept.
    Predict,
    /// Make new revisions of manifests.
    ApplyObjects,
    /// Delete manifests.
    DeleteObjects,
    /// Set or remove an alias of a model.
    MoveAlias,
    /// Delete or restore experiments, tracking runs, logged models, artifacts.
    DeleteTracking,
    /// Delete registered models and versions.
    DeleteModel,
    /// Make, list and revoke tokens.
    ManageTokens,
    /// Make and delete projects, and say who their members are.
    ManageProjects,
}

impl Operation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 20] = [
        Self::ReadObjects,
        Self::ReadRuns,
        Self::ReadTracking,
        Self::ReadContent,
        Self::ReadLedger,
        Self::StartRun,
        Self::CancelRun,
        Self::RetryRun,
        Self::ResetTrigger,
        Self::WriteTracking,
        Self::WriteContent,
        Self::RegisterModel,
        Self::Predict,
        Self::ApplyObjects,
        Self::DeleteObjects,
        Self::MoveAlias,
        Self::DeleteTracking,
        Self::DeleteModel,
        Self::ManageTokens,
        Self::ManageProjects,
    ];

    /// Returns the least role that may do it.
    pub fn least_role(self) -> Role {
        match self {
            Self::ReadObjects | Self::ReadRuns | Self::ReadTracking | Self::ReadContent | Self::ReadLedger => {
                Role::Viewer
            }
            Self::StartRun
            | Self::CancelRun
            | Self::RetryRun
            | Self::ResetTrigger
            | Self::WriteTracking
            | Self::WriteContent
            | Self::RegisterModel
            | Self::Predict => Role::Contributor,
            Self::ApplyObjects | Self::DeleteObjects | Self::MoveAlias | Self::DeleteTracking | Self::DeleteModel => {
                Role::Maintainer
            }
            Self::ManageTokens | Self::ManageProjects => Role::Admin,
        }
    }
}

/// Returns whether `role` may do `operation` in a project it is good for; see [`in_scope`] for the project.
pub fn allowed(role: Role, operation: Operation) -> bool {
    role >= operation.least_role()
}

/// Returns whether a token that is good for `scope` reaches into `project`; `None` reaches into all.
pub fn in_scope(scope: Option<&Name>, project: &Name) -> bool {
    scope.is_none_or(|scope| scope == project)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ROLES: [Role; 4] = [Role::Viewer, Role::Contributor, Role::Maintainer, Role::Admin];

    /// The whole table as text: an operation and, for each role, whether it may.
    #[test]
    fn the_table_is_this_one() {
        let table: String = Operation::ALL
            .iter()
            .map(|operation| {
                let may = ROLES.map(|role| if allowed(role, *operation) { 'x' } else { '.' });
                format!("{} {operation:?}\n", may.iter().collect::<String>())
            })
            .collect();
        let expected = "\
xxxx ReadObjects
xxxx ReadRuns
xxxx ReadTracking
xxxx ReadContent
xxxx ReadLedger
.xxx StartRun
.xxx CancelRun
.xxx RetryRun
.xxx ResetTrigger
.xxx WriteTracking
.xxx WriteContent
.xxx RegisterModel
.xxx Predict
..xx ApplyObjects
..xx DeleteObjects
..xx MoveAlias
..xx DeleteTracking
..xx DeleteModel
...x ManageTokens
...x ManageProjects
";
        assert_eq!(table, expected);
    }

    #[test]
    fn all_names_every_operation_once() {
        assert_eq!(Operation::ALL.iter().collect::<BTreeSet<_>>().len(), Operation::ALL.len());
        // The last variant: adding one behind it makes this fail until `ALL` has it.
        assert_eq!(Operation::ManageProjects as usize + 1, Operation::ALL.len());
    }

    #[test]
    fn a_token_of_a_project_stays_in_it() {
        let (one, other): (Name, Name) = ("one".parse().unwrap(), "other".parse().unwrap());
        assert!(in_scope(None, &one));
        assert!(in_scope(Some(&one), &one));
        assert!(!in_scope(Some(&one), &other));
    }
}
