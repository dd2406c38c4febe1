//! Stories of how a run goes on: a pipeline, what happens, and what comes of it.

use super::world::{World, check, check_in, pipeline};

#[test]
fn a_run_goes_from_step_to_step() {
    check(
        "prep; validate: prep; train[all,last]: validate; register: train",
        "
        look
            run running: running
            prep running: no earlier result stands under its key
        ok prep
            prep succeeded: no earlier result stands under its key
            validate running: no earlier result stands under its key
        ok prep
        ok validate
            validate succeeded: no earlier result stands under its key
            train[all] running: no earlier result stands under its key
            train[last] running: no earlier result stands under its key
        ok train[last]
            train[last] succeeded: no earlier result stands under its key
        ok train[all]
            train[all] succeeded: no earlier result stands under its key
            register running: no earlier result stands under its key
        ok register
            run succeeded: 5 steps ran
            register succeeded: no earlier result stands under its key
        look
    ",
    );
}

#[test]
fn a_quiet_moment_is_for_one_step() {
    check(
        "a @wait; b @wait @needs=a; c @wait; d: a",
        "
        look
            run running: running
            a waiting: waits until everything else is idle
            c waiting: waits until everything else is idle
        idle
            a running: it is never cached
        look
        idle
        ok a
            a succeeded: it is never cached
            b waiting: waits until everything else is idle
            d running: no earlier result stands under its key
        idle
        ok d
            d succeeded: no earlier result stands under its key
        idle
            b running: it is never cached
        ok b
            b succeeded: it is never cached
        idle
            c running: it is never cached
        ok c
            run succeeded: 4 steps ran
            c succeeded: it is never cached
    ",
    );
}

#[test]
fn conditions_and_missing_inputs_end_a_step_before_it_begins() {
    check("a[x,y] @when=params.item=='x'; b: a; c[x,y]: a; d @dataset=none; e @dataset=flights @optional; f: e; g @when=params.nothing; h @wait @when=params.seed==8", "
        look
            run running: running
            a[x] running: no earlier result stands under its key
            a[y] skipped: its condition `params.item=='x'` does not hold
            c[y] skipped: needs a[y], which was skipped
            d failed: dataset none has no accepted version; start a new run once it has one, since a run keeps to the versions it began with
            e running: no earlier result stands under its key
            g failed: its condition `params.nothing` cannot be evaluated: there is no `nothing`
            h skipped: its condition `params.seed==8` does not hold
        ok a[x]
            a[x] succeeded: no earlier result stands under its key
            b skipped: needs a[y], which was skipped
            c[x] running: no earlier result stands under its key
        empty e
            e succeeded: no earlier result stands under its key
            f skipped: e left no output `out`
        ok c[x]
            run failed: d: dataset none has no accepted version; start a new run once it has one, since a run keeps to the versions it began with
            c[x] succeeded: no earlier result stands under its key
    ");
}

#[test]
fn everything_skipped_is_a_success() {
    check(
        "a @when=false; b: a",
        "
        look
            run succeeded: 0 steps ran, 2 were skipped
            a skipped: its condition `false` does not hold
            b skipped: needs a, which was skipped
    ",
    );
}

#[test]
fn needs_means_all_items_and_inputs_their_own() {
    check(
        "a[x,y]; b[x,y]: a; c[x,y] @needs=a",
        "
        look
            run running: running
            a[x] running: no earlier result stands under its key
            a[y] running: no earlier result stands under its key
        ok a[x]
            a[x] succeeded: no earlier result stands under its key
            b[x] running: no earlier result stands under its key
        ok b[x]
            b[x] succeeded: no earlier result stands under its key
        fail a[y]
            run failed: a[y]: exit code 1
            a[y] failed: exit code 1
            b[y] blocked: needs a[y], which failed
            c[x] blocked: needs a[y], which failed
            c[y] blocked: needs a[y], which failed
    ",
    );
}

#[test]
fn a_fan_out_over_nothing_is_done() {
    check(
        "a[]; b: a",
        "
        look
            run running: running
            b running: no earlier result stands under its key
        ok b
            run succeeded: 1 step ran
            b succeeded: no earlier result stands under its key
    ",
    );
}

#[test]
fn the_order_of_the_file_may_be_any() {
    check(
        "c: b; b: a; a",
        "
        look
            run running: running
            a running: no earlier result stands under its key
        ok a
            b running: no earlier result stands under its key
            a succeeded: no earlier result stands under its key
        ok b
            c running: no earlier result stands under its key
            b succeeded: no earlier result stands under its key
        ok c
            run succeeded: 3 steps ran
            c succeeded: no earlier result stands under its key
    ",
    );
}

#[test]
fn a_run_waits_for_its_turn() {
    let mut world = World::new("a; b: a");
    world.active_before = 2;
    check_in(
        &mut world,
        "
        look
            run pending: waits for 2 earlier runs of train; 1 at a time
        look
    ",
    );
    world.active_before = 1;
    check_in(
        &mut world,
        "
        look
            run pending: waits for an earlier run of train; 1 at a time
    ",
    );
    world.active_before = 0;
    check_in(
        &mut world,
        "
        look
            run running: running
            a running: no earlier result stands under its key
        fail a
            run failed: a: exit code 1
            a failed: exit code 1
            b blocked: needs a, which failed
    ",
    );
    // Retried, it waits for its turn like any other.
    world.active_before = 1;
    check_in(
        &mut world,
        "
        retry
            run pending: waits for an earlier run of train; 1 at a time
            a waiting: waits for the run to go on
            b waiting: waits for the run to go on
        cancel
            run cancelled: cancelled by token:ann
            a cancelled: cancelled by token:ann
            b cancelled: cancelled by token:ann
    ",
    );
}

#[test]
fn places_are_given_in_the_order_of_the_file() {
    let mut world = World::new("a[x,y,z]; b");
    world.places = 2;
    check_in(
        &mut world,
        "
        look
            run running: running
            a[x] running: no earlier result stands under its key
            a[y] running: no earlier result stands under its key
            a[z] ready: waits for a free place
            b ready: waits for a free place
        ok a[y]
            a[y] succeeded: no earlier result stands under its key
        ok a[x]
            a[x] succeeded: no earlier result stands under its key
            a[z] running: no earlier result stands under its key
        lost a[z]
            a[z] ready: lost: its shim is gone; starts again, uncounted
            b running: no earlier result stands under its key
        +1s
            a[z] running: attempt 2
        ok a[z]
            a[z] succeeded: no earlier result stands under its key
        ok b
            run succeeded: 4 steps ran
            b succeeded: no earlier result stands under its key
    ",
    );
}

#[test]
fn earlier_results_stand_in() {
    let text = "a @dataset=flights; b[x,y]: a; c @nocache @needs=b; d: b";
    let mut first = World::new(text);
    check_in(
        &mut first,
        "
        look
            run running: running
            a running: no earlier result stands under its key
        ok a
            a succeeded: no earlier result stands under its key
            b[x] running: no earlier result stands under its key
            b[y] running: no earlier result stands under its key
        ok b[x]
            b[x] succeeded: no earlier result stands under its key
        ok b[y]
            b[y] succeeded: no earlier result stands under its key
            c running: it is never cached
            d running: no earlier result stands under its key
        ok c
            c succeeded: it is never cached
        ok d
            run succeeded: 5 steps ran
            d succeeded: no earlier result stands under its key
    ",
    );
    let mut second = World::run(pipeline(text), 2, first.results.clone());
    check_in(
        &mut second,
        "
        look
            run running: running
            a cached: an earlier result stands under the same key
            b[x] cached: an earlier result stands under the same key
            b[y] cached: an earlier result stands under the same key
            c running: it is never cached
            d cached: an earlier result stands under the same key
        ok c
            run succeeded: 1 step ran, 4 came from the cache
            c succeeded: it is never cached
    ",
    );
    assert_eq!(second.step("d").cached_from.as_ref(), Some(&first.step("d").id));
    assert_eq!(second.step("d").outputs, first.step("d").outputs);
    // A result from before an output was asked for does not stand in.
    let mut more = pipeline(text);
    more.steps[3].outputs.insert("report".parse().unwrap(), Default::default());
    let mut third = World::run(more, 3, first.results);
    check_in(
        &mut third,
        "
        look
            run running: running
            a cached: an earlier result stands under the same key
            b[x] cached: an earlier result stands under the same key
            b[y] cached: an earlier result stands under the same key
            c running: it is never cached
            d running: no earlier result stands under its key
    ",
    );
}
