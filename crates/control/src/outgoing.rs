//! Outgoing actions between the commit that asked for them and the row that says they were carried out.
//!
//! The outbox is what counts; this is what one process knows of it. New actions come at first hand, so that the outbox
//! is read only at a start and for those that had to wait. That an action was carried out is written with the next
//! decision, since a repetition is harmless, and by itself where none comes soon.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;
use windlass_kinds::record::{Action, ActionBody};

use crate::{jobs::Fresh, moves::start_key};

/// How many actions are carried out at the same time.
const AT_ONCE: usize = 256;

/// An action with what its commit knew.
pub(crate) struct Handed {
    pub(crate) action: Action,
    /// None where it was found in the outbox.
    pub(crate) fresh: Option<Fresh>,
}

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    UnderWay,
    CarriedOut,
}

/// The actions in hand.
#[derive(Default)]
pub(crate) struct Outgoing {
    stages: Mutex<BTreeMap<String, Stage>>,
    /// To the dispatching task, while it runs.
    dispatcher: Mutex<Option<mpsc::UnboundedSender<Handed>>>,
    /// Whether something was left in the outbox that can go on once an action under way is done.
    left: AtomicBool,
}

impl Outgoing {
    fn stages(&self) -> MutexGuard<'_, BTreeMap<String, Stage>> {
        // Nothing panics while it is held; were it so, the map is still whole.
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a dispatching task.
    pub(crate) fn connect(&self) -> mpsc::UnboundedReceiver<Handed> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Hands a committed action to the dispatching task; it stays in the outbox where none runs.
    pub(crate) fn hand_over(&self, handed: Handed) {
        if let Some(dispatcher) = &*self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = dispatcher.send(handed);
        }
    }

    /// Takes an action in hand; false where it is already, or has to wait.
    pub(crate) fn enter(&self, action: &Action) -> bool {
        let mut stages = self.stages();
        if stages.contains_key(&action.key) {
            return false;
        }
        let full = stages.values().filter(|stage| **stage == Stage::UnderWay).count() >= AT_ONCE;
        if full || waits_for_its_start(action, &stages) {
            self.left.store(true, Ordering::SeqCst);
            return false;
        }
        stages.insert(action.key.clone(), Stage::UnderWay);
        true
    }

    /// Lets an action go that nobody is at any more. Returns whether the outbox is to be read: for this one, where its row
    /// is not written, or for what waited.
    pub(crate) fn leave(&self, key: &str) -> bool {
        let again = self.stages().remove(key).is_some();
        self.left.swap(false, Ordering::SeqCst) || again
    }

    /// Takes note that an action was carried out, and that its row is to be written. Returns whether the outbox is to be
    /// read for what waited.
    pub(crate) fn carried_out(&self, key: &str) -> bool {
        self.stages().insert(key.to_owned(), Stage::CarriedOut);
        self.left.swap(false, Ordering::SeqCst)
    }

    /// Returns the keys of actions whose rows are to be written.
    pub(crate) fn unwritten(&self) -> Vec<String> {
        let stages = self.stages();
        stages.iter().filter(|(_, stage)| **stage == Stage::CarriedOut).map(|(key, _)| key.clone()).collect()
    }

    /// Lets actions go whose rows are written.
    pub(crate) fn written(&self, keys: &[String]) {
        let mut stages = self.stages();
        for key in keys {
            stages.remove(key);
        }
    }

    /// Returns whether an action's row is still to be written.
    pub(crate) fn is_unwritten(&self, key: &str) -> bool {
        self.stages().get(key) == Some(&Stage::CarriedOut)
    }

    /// Returns the keys of all actions in hand.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.stages().keys().cloned().collect()
    }

    /// Returns how many rows of the outbox are enough to find further actions.
    pub(crate) fn enough(&self) -> u32 {
        // Those in hand never take the places of others.
        u32::try_from(self.stages().len() + AT_ONCE).unwrap_or(u32::MAX)
    }
}

/// Returns whether an attempt's stop must wait: its start is being handed over, and a stop that overtakes it would end
/// nothing.
fn waits_for_its_start(action: &Action, stages: &BTreeMap<String, Stage>) -> bool {
    match &action.body {
        ActionBody::StopAttempt { attempt } => stages.get(&start_key(attempt)) == Some(&Stage::UnderWay),
        ActionBody::Prepare { .. }
        | ActionBody::StartAttempt { .. }
        | ActionBody::Judge { .. }
        | ActionBody::Serve { .. }
        | ActionBody::Unserve { .. }
        | ActionBody::Observe { .. }
        | ActionBody::Look { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::AttemptId;

    use super::*;

    fn action(body: ActionBody) -> Action {
        let project = "default".parse().unwrap();
        Action { key: crate::moves::action_key(&project, &body), project, body }
    }

    #[test]
    fn a_stop_waits_for_its_start_and_nothing_is_taken_twice() {
        let outgoing = Outgoing::default();
        let attempt = AttemptId::new("a");
        let start = action(ActionBody::StartAttempt { attempt: attempt.clone() });
        let stop = action(ActionBody::StopAttempt { attempt });
        assert!(outgoing.enter(&start));
        assert!(!outgoing.enter(&start));
        assert!(!outgoing.enter(&stop));
        assert!(outgoing.carried_out(&start.key), "the stop waited");
        assert!(!outgoing.enter(&start), "its row is not written");
        assert!(outgoing.enter(&stop));
        assert_eq!(outgoing.unwritten(), std::slice::from_ref(&start.key));
        outgoing.written(&outgoing.unwritten());
        assert!(!outgoing.is_unwritten(&start.key));
        assert!(outgoing.leave(&stop.key), "its row is not written");
        outgoing.written(std::slice::from_ref(&stop.key));
        assert!(!outgoing.leave(&stop.key), "nothing waited");
    }

    #[test]
    fn only_so_many_are_under_way() {
        let outgoing = Outgoing::default();
        let start = |number: usize| action(ActionBody::StartAttempt { attempt: AttemptId::new(number.to_string()) });
        assert!((0..AT_ONCE).all(|number| outgoing.enter(&start(number))));
        assert!(!outgoing.enter(&start(AT_ONCE)));
        assert!(outgoing.carried_out(&start(0).key));
        assert!(outgoing.enter(&start(AT_ONCE)));
    }
}
