//! Who may do what: one table, and what it does not name is refused.
//!
//! A role includes the roles before it, so that each operation needs only its least role. Where a token is a user's, the
//! role follows from the members that each project names: [`member_roles`]. The table knows nothing of sessions or HTTP;
//! a caller brings a role and the project its token is good for.

use std::collections::BTreeMap;

use windlass_kinds::{
    Name,
    manifest::{ProjectSpec, Role},
};

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
    /// Free for good what was deleted.
    Erase,
    /// Make, list and revoke tokens.
    ManageTokens,
    /// Make and delete projects, and say who their members are.
    ManageProjects,
}

impl Operation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 21] = [
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
        Self::Erase,
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
            Self::Erase | Self::ManageTokens | Self::ManageProjects => Role::Admin,
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

/// Returns the projects that a user's token is good for, with the role in each: the one that the project gives its
/// member, and no more than the token's `most`. A token of one project (`only`) is good for no other.
pub fn member_roles<'a>(
    user: &str,
    most: Role,
    only: Option<&Name>,
    projects: impl IntoIterator<Item = (&'a Name, &'a ProjectSpec)>,
) -> BTreeMap<Name, Role> {
    let within = projects.into_iter().filter(|(project, _)| in_scope(only, project));
    within.filter_map(|(project, spec)| Some((project.clone(), most.min(*spec.members.get(user)?)))).collect()
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
...x Erase
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

    #[test]
    fn a_user_has_the_lesser_of_two_roles() {
        let project = |name: &str, members: &[(&str, Role)]| {
            let members = members.iter().map(|(member, role)| ((*member).to_owned(), *role)).collect();
            (name.parse::<Name>().unwrap(), ProjectSpec { members, ..ProjectSpec::default() })
        };
        let projects = [
            project("one", &[("ann", Role::Maintainer), ("bob", Role::Viewer)]),
            project("three", &[]),
            project("two", &[("ann", Role::Viewer)]),
        ];
        for (user, most, only, expected) in [
            ("ann", Role::Admin, None, "one: Maintainer, two: Viewer"),
            ("ann", Role::Contributor, None, "one: Contributor, two: Viewer"),
            ("ann", Role::Admin, Some("two"), "two: Viewer"),
            ("ann", Role::Admin, Some("three"), ""),
            ("bob", Role::Admin, None, "one: Viewer"),
            ("Ann", Role::Admin, None, ""),
            ("", Role::Admin, None, ""),
        ] {
            let only = only.map(|only: &str| only.parse().unwrap());
            let specs = projects.iter().map(|(name, spec)| (name, spec));
            let roles = member_roles(user, most, only.as_ref(), specs);
            let shown: Vec<String> = roles.iter().map(|(project, role)| format!("{project}: {role:?}")).collect();
            assert_eq!(shown.join(", "), expected, "{user} {most:?} {only:?}");
        }
    }
}
