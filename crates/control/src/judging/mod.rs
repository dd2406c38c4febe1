//! Judging: what a run registered is measured, and the gates of its model decide over the numbers.
//!
//! Measuring is an outgoing action ([`Control::measure_run`]), since it reads files and starts model servers; its
//! answer is an event that carries every number. Deciding over it is pure (`plan::judge`) and is committed with its
//! verdicts: the best candidate takes the alias if the alias still points where it did when the candidates were
//! measured, else they are measured again. The same rules stand before an alias that somebody sets by hand.

mod evidence;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use windlass_kinds::{
    EventId, Kind, Micros, Name, PipelineRunId,
    manifest::{GateSpec, ModelSpec, Rule, Spec},
    record::{Action, ActionBody, Actor, Evidence, ModelVersion, PipelineRun, Verdict, VerdictOutcome},
};
use windlass_plan::judge;
use windlass_store::StoreError;

use self::evidence::Subject;
use crate::{
    Change, Control, ControlError,
    active::ActiveRuns,
    commit::{Commit, Promotion},
    moves::action_key,
};

/// What was measured of a run's candidates.
pub(crate) struct Judged {
    pub(crate) model: String,
    pub(crate) run: Option<PipelineRunId>,
    pub(crate) round: u32,
    pub(crate) evidence: Vec<Evidence>,
}

/// Returns the action that measures what a run registered of a model.
fn to_judge(project: &Name, model: &str, run: &PipelineRunId, round: u32) -> Action {
    let body = ActionBody::Judge { model: model.to_owned(), run: run.clone(), round };
    Action { key: action_key(project, &body), project: project.clone(), body }
}

impl Control {
    /// Adds to the end of a run that what it registered is to be judged.
    pub(crate) async fn ask_to_judge(&self, commit: &mut Commit, run: &PipelineRun) -> Result<(), ControlError> {
        let (project, id) = (run.project.clone(), run.id.clone());
        let registered = self
            .inner
            .store
            .read(move |tx| {
                let (project, id) = (project.clone(), id.clone());
                Box::pin(async move { tx.model_versions_of_run(&project, &id).await })
            })
            .await?;
        let declared = commit.versions.iter().map(|declared| declared.version.model.clone());
        let models: BTreeSet<String> = registered.into_iter().map(|version| version.model).chain(declared).collect();
        for model in models {
            let Some(spec) = self.model_spec(&run.project, &model).await? else { continue };
            if spec.gates.iter().any(|gate| gate.automatic) {
                commit.actions.push(to_judge(&run.project, &model, &run.id, 0));
            }
        }
        Ok(())
    }

    /// Returns what the manifest says of a registered model, where there is one.
    pub async fn model_spec(&self, project: &Name, model: &str) -> Result<Option<ModelSpec>, ControlError> {
        let Ok(name) = model.parse::<Name>() else { return Ok(None) };
        let project = project.clone();
        let revision = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (project.clone(), name.clone());
                Box::pin(async move { tx.revision_current(&project, Kind::Model, &name).await })
            })
            .await?;
        Ok(revision.and_then(|revision| match revision.manifest.spec {
            Spec::Model(spec) => Some(spec),
            _ => None,
        }))
    }

    /// Measures what a run registered of a model, for all its gates. A version that cannot be measured is evidence
    /// too, with the reason; an error is our trouble, and the action stays.
    pub(crate) async fn measure_run(
        &self,
        project: &Name,
        model: &str,
        run: &PipelineRunId,
    ) -> Result<Vec<Evidence>, ControlError> {
        let Some(spec) = self.model_spec(project, model).await? else { return Ok(Vec::new()) };
        let (in_project, id) = (project.clone(), run.clone());
        let (run, versions) = self
            .inner
            .store
            .read(move |tx| {
                let (project, id) = (in_project.clone(), id.clone());
                Box::pin(async move {
                    Ok((tx.pipeline_run_get(&id).await?, tx.model_versions_of_run(&project, &id).await?))
                })
            })
            .await?;
        let mut evidence = Vec::new();
        let mut probed = BTreeMap::new();
        for version in versions.iter().filter(|version| version.model == model && version.pending.is_none()) {
            let subject = Subject { spec: &spec, version, run: run.as_ref() };
            evidence.push(self.measure(&subject, &mut probed).await?);
            if spec.evaluation.as_ref().is_some_and(|evaluation| evaluation.training.is_some()) {
                // Now, since the training rows may be gone when drift is first asked about. Why there is none is said then.
                let _ = self.reference_of(version).await?;
            }
        }
        Ok(evidence)
    }

    /// Decides over measured candidates and commits the verdicts, with the alias for the best that passes.
    pub(crate) async fn handle_judged(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        judged: Judged,
    ) -> Result<(), ControlError> {
        let Judged { model, run, round, evidence } = judged;
        let model = model.as_str();
        let mut commit = self.answer(id);
        commit.project(project);
        let Some(spec) = self.model_spec(project, model).await? else {
            return self.begin_all(active, commit).await;
        };
        let (versions, aliases) = self.versions_and_aliases(project, model).await?;
        for gate in spec.gates.iter().filter(|gate| gate.automatic) {
            if let Some(run) = &run
                && is_stale(gate, &evidence, &aliases)
            {
                // Somebody moved the alias since: what was measured says nothing about the version that has it now.
                commit.actions = vec![to_judge(project, model, run, round + 1)];
                commit.verdicts.clear();
                commit.promotions.clear();
                break;
            }
            self.judge_gate(&mut commit, gate, &versions, &aliases, run.as_ref(), &evidence);
        }
        if !commit.verdicts.is_empty()
            && let Some(run) = self.run_of(run.as_ref()).await?
        {
            let improved = !commit.promotions.is_empty();
            self.trigger_improved(&mut commit, &run, improved).await?;
        }
        let promoted = commit.promotions.clone();
        self.begin_all(active, commit).await?;
        if !promoted.is_empty() {
            self.registry_moved();
        }
        for promotion in promoted {
            let Promotion { version, alias, expected } = promotion;
            let before = expected.map_or_else(String::new, |before| format!(" instead of {before}"));
            self.inner.tell(format!("{model}@{} is {alias} now{before}", version.version));
        }
        Ok(())
    }

    async fn run_of(&self, id: Option<&PipelineRunId>) -> Result<Option<PipelineRun>, ControlError> {
        let Some(id) = id.cloned() else { return Ok(None) };
        let found = self
            .inner
            .store
            .read(move |tx| {
                let id = id.clone();
                Box::pin(async move { tx.pipeline_run_get(&id).await })
            })
            .await?;
        Ok(found)
    }

    /// Adds what one gate says of every candidate.
    fn judge_gate(
        &self,
        commit: &mut Commit,
        gate: &GateSpec,
        versions: &BTreeMap<u32, ModelVersion>,
        aliases: &BTreeMap<String, u32>,
        run: Option<&PipelineRunId>,
        evidence: &[Evidence],
    ) {
        let candidates: Vec<_> = evidence
            .iter()
            .filter_map(|evidence| Some((versions.get(&evidence.version)?, evidence)))
            .map(|(version, evidence)| (version, evidence.clone(), judge::verdict(gate, evidence)))
            .collect();
        let judged: Vec<_> =
            candidates.iter().map(|(_, evidence, judged)| (evidence.clone(), judged.clone())).collect();
        let best = judge::choose(&judged, gate);
        let from = aliases.get(&gate.alias).copied();
        for (version, evidence, judgement) in candidates {
            let outcome = match (judgement.passed, best == Some(version.version)) {
                (true, true) => VerdictOutcome::Promoted { from },
                (true, false) => VerdictOutcome::Passed,
                (false, _) => VerdictOutcome::Refused,
            };
            if matches!(outcome, VerdictOutcome::Promoted { .. }) {
                let promotion = Promotion { version: version.clone(), alias: gate.alias.clone(), expected: from };
                commit.promotions.push(promotion);
            }
            commit.verdicts.push(Verdict {
                project: version.project.clone(),
                model: version.model.clone(),
                version: version.version,
                alias: gate.alias.clone(),
                gate: gate.digest(),
                passed: judgement.passed,
                rules: judgement.rules,
                evidence,
                run: run.cloned(),
                outcome,
                judged_at: commit.now,
            });
        }
    }

    async fn versions_and_aliases(
        &self,
        project: &Name,
        model: &str,
    ) -> Result<(BTreeMap<u32, ModelVersion>, BTreeMap<String, u32>), ControlError> {
        let (project, name) = (project.clone(), model.to_owned());
        let (model, versions) = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (project.clone(), name.clone());
                Box::pin(async move {
                    let model = tx.registered_model_get(&project, &name).await?;
                    Ok((model, tx.model_versions_of(&project, &name).await?))
                })
            })
            .await?;
        let aliases = model.map(|model| model.aliases).unwrap_or_default();
        let versions = versions.into_iter().filter(|version| version.pending.is_none());
        Ok((versions.map(|version| (version.version, version)).collect(), aliases))
    }

    /// Measures one version now and says what the gate before `alias` makes of it; the verdict is kept. Without a gate
    /// there is nothing to prove.
    pub async fn judge_version(
        &self,
        project: &Name,
        model: &str,
        version: u32,
        alias: &str,
        actor: &Actor,
    ) -> Result<Option<Verdict>, ControlError> {
        let Some((verdict, _)) = self.weigh(project, model, version, alias).await? else { return Ok(None) };
        let (kept, actor) = (verdict.clone(), actor.clone());
        self.inner
            .store
            .write(move |tx| {
                let (verdict, actor) = (kept.clone(), actor.clone());
                Box::pin(async move { tx.verdict_insert(&verdict, &actor).await.map(drop) })
            })
            .await?;
        self.tell_judged(&verdict);
        Ok(Some(verdict))
    }

    /// Lets those who look know of a verdict that was kept.
    fn tell_judged(&self, verdict: &Verdict) {
        let _ = self.inner.changes.send(Change::Judged(Box::new(verdict.clone())));
    }

    /// Points an alias at a version, as somebody asked: where a gate stands before it, only if the version passes.
    ///
    /// # Errors
    ///
    /// [`ControlError::Gated`] with the rules that did not hold; the verdict is kept either way.
    pub async fn alias_set(
        &self,
        project: &Name,
        model: &str,
        version: u32,
        alias: &str,
        actor: &Actor,
    ) -> Result<(), ControlError> {
        for _ in 0..8 {
            let now = self.inner.clock.now();
            let (weighed, from) = match self.weigh(project, model, version, alias).await? {
                None => (None, None),
                Some((verdict, from)) => (Some(verdict), from),
            };
            let args = (project.clone(), model.to_owned(), alias.to_owned(), actor.clone());
            let verdict = weighed.clone();
            let done = self
                .inner
                .store
                .write(move |tx| {
                    let ((project, model, alias, actor), verdict) = (args.clone(), verdict.clone());
                    Box::pin(async move {
                        let Some(mut verdict) = verdict else {
                            tx.alias_set(&project, &model, &alias, version, &actor, now).await?;
                            return Ok(true);
                        };
                        tx.lock_project(&project).await?;
                        if verdict.passed {
                            let found = tx.model_version_find(&project, &model, version).await?;
                            if !tx.alias_swap(&found, &alias, from, &actor, now).await? {
                                return Ok(false);
                            }
                            verdict.outcome = VerdictOutcome::Promoted { from };
                        }
                        tx.verdict_insert(&verdict, &actor).await?;
                        Ok(true)
                    })
                })
                .await?;
            if !done {
                continue;
            }
            self.registry_moved();
            if let Some(verdict) = &weighed {
                self.tell_judged(verdict);
            }
            return match weighed {
                Some(verdict) if !verdict.passed => Err(ControlError::Gated(Box::new(verdict))),
                Some(_) | None => Ok(()),
            };
        }
        Err(ControlError::Refused(format!("alias {alias} of {model} moves all the time; try again")))
    }

    /// Measures one version and decides; `None` where no gate stands before the alias. Also returns the version that
    /// had the alias then.
    async fn weigh(
        &self,
        project: &Name,
        model: &str,
        version: u32,
        alias: &str,
    ) -> Result<Option<(Verdict, Option<u32>)>, ControlError> {
        let Some(spec) = self.model_spec(project, model).await? else { return Ok(None) };
        let Some(gate) = spec.gate(alias) else { return Ok(None) };
        let (versions, aliases) = self.versions_and_aliases(project, model).await?;
        let Some(found) = versions.get(&version) else {
            return Err(ControlError::NotFound {
                what: format!("version {version} of model {model}"),
                near: Vec::new(),
            });
        };
        let run = self.run_behind(found).await?;
        let subject = Subject { spec: &spec, version: found, run: run.as_ref() };
        let evidence = self.measure(&subject, &mut BTreeMap::new()).await?;
        let judgement = judge::verdict(gate, &evidence);
        let outcome = if judgement.passed { VerdictOutcome::Passed } else { VerdictOutcome::Refused };
        let verdict = Verdict {
            project: project.clone(),
            model: model.to_owned(),
            version,
            alias: alias.to_owned(),
            gate: gate.digest(),
            passed: judgement.passed,
            rules: judgement.rules,
            evidence,
            run: None,
            outcome,
            judged_at: self.inner.clock.now(),
        };
        Ok(Some((verdict, aliases.get(alias).copied())))
    }
}

/// Returns whether an alias that a gate compares with, or is about, points elsewhere than when it was measured.
fn is_stale(gate: &GateSpec, evidence: &[Evidence], aliases: &BTreeMap<String, u32>) -> bool {
    let compared: BTreeSet<&str> = gate
        .rules
        .iter()
        .filter_map(|rule| match &rule.rule {
            Rule::Better { than, .. } => Some(than.as_str()),
            Rule::Floor { .. } | Rule::Bias { .. } | Rule::Servable { .. } | Rule::AcceptedData => None,
        })
        .collect();
    evidence.iter().any(|evidence| compared.iter().any(|alias| evidence.aliases.get(*alias) != aliases.get(*alias)))
}

/// Writes verdicts and promotions; fails where an alias moved in between, so that the event is looked at again.
pub(crate) async fn write(
    tx: &mut windlass_store::Tx,
    verdicts: &[Verdict],
    promotions: &[Promotion],
    now: Micros,
) -> Result<(), StoreError> {
    let actor = Actor::system();
    for Promotion { version, alias, expected } in promotions {
        if !tx.alias_swap(version, alias, *expected, &actor, now).await? {
            return Err(StoreError::conflict(format!("alias {alias} of {} moved", version.model)));
        }
    }
    for verdict in verdicts {
        tx.verdict_insert(verdict, &actor).await?;
    }
    Ok(())
}
