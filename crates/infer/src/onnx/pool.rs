//! Things that can be used by one at a time, of which there are as many as are used at once.
//!
//! The first is made by whoever makes the pool; another is made when all are in use and fewer than the most exist, by
//! the thread that wants it. Where that does not work there are as many as there are, and users wait. What was given
//! back last is taken first, because it is still in the processor's cache.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A pool of at least one.
#[derive(Debug)]
pub(super) struct Pool<T> {
    state: Mutex<State<T>>,
    given_back: Condvar,
}

#[derive(Debug)]
struct State<T> {
    idle: Vec<T>,
    /// How many there are, in use or not.
    count: usize,
    most: usize,
}

/// One of a pool, in use until it is dropped.
#[derive(Debug)]
pub(super) struct Taken<'p, T> {
    pool: &'p Pool<T>,
    /// Nothing only while it is dropped.
    item: Option<T>,
}

impl<T> Pool<T> {
    /// Makes a pool of one, which grows up to `most`.
    pub(super) fn new(first: T, most: usize) -> Self {
        Self { state: Mutex::new(State { idle: vec![first], count: 1, most }), given_back: Condvar::new() }
    }

    /// Takes one, made by `make` where none is idle and there may be more; waits for one otherwise.
    pub(super) fn take(&self, make: impl FnOnce() -> Option<T>) -> Taken<'_, T> {
        let mut state = self.lock();
        if state.idle.is_empty() && state.count < state.most {
            state.count += 1;
            drop(state);
            let made = make();
            if made.is_some() {
                return Taken { pool: self, item: made };
            }
            state = self.lock();
            state.count -= 1;
            // Not tried for each request anew.
            state.most = state.count;
        }
        loop {
            match state.idle.pop() {
                Some(item) => return Taken { pool: self, item: Some(item) },
                None => state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Nothing here can panic half-way, so what a panic elsewhere left is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("there until dropped")
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("there until dropped")
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.pool.lock().idle.extend(self.item.take());
        self.pool.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn there_are_as_many_as_are_used_at_once_and_no_more() {
        let pool = Pool::new(0, 3);
        for _ in 0..5 {
            // One after the other needs one.
            assert_eq!(*pool.take(|| None), 0);
        }
        let most_at_once = Barrier::new(3);
        thread::scope(|scope| {
            for made in 1..=3 {
                let (pool, barrier) = (&pool, &most_at_once);
                scope.spawn(move || {
                    let _taken = pool.take(|| Some(made));
                    barrier.wait();
                });
            }
        });
        let state = pool.lock();
        assert_eq!((state.count, state.idle.len()), (3, 3));
    }

    #[test]
    fn where_no_more_can_be_made_users_wait_for_what_there_is() {
        let pool = Pool::new(0, 2);
        let first = pool.take(|| None);
        let begun = Barrier::new(2);
        thread::scope(|scope| {
            let (pool, begun) = (&pool, &begun);
            let waiting = scope.spawn(move || {
                *pool.take(|| {
                    begun.wait();
                    None
                })
            });
            begun.wait();
            drop(first);
            assert_eq!(waiting.join().unwrap(), 0);
        });
        let state = pool.lock();
        assert_eq!((state.count, state.idle.len(), state.most), (1, 1, 1));
    }
}
