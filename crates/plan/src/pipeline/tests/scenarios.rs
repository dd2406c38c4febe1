//! Stories: a pipeline, what happens, and what comes of it.

use super::world::{World, pipeline};

/// Plays `story`, a line an event, and compares what came of each, indented by four.
fn check(text: &str, story: &str) {
    check_in(&mut World::new(text), story);
}

fn check_in(world: &mut World, story: &str) {
    let mut played = String::new();
    for line in story.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)) {
        if line.is_empty() || line.starts_with(' ') {
            continue;
        }
        let said = world.play(line);
        played.push_str(line);
        played.push('\n');
        if !said.is_empty() {
            played.push_str(&format!("    {said}\n"));
        }
    }
    let expected: String =
        story.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect();
    if played != expected {
        panic!("expected\n{expected}\nplayed\n{played}");
    }
}

#[test]
fn a_run_goes_from_step_to_step() {
    check("prep; validate: prep; train[all,last]: validate; register: train", "
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
    ");
}

#[test]
fn failures_are_retried_with_growing_waits() {
    check("a @retries=3; b: a; c", "
        look
            run running: running
            a running: no earlier result stands under its key
            c running: no earlier result stands under its key
        fail a
            a ready: exit code 1; retry 1 of 3 at 1970-01-01T00:00:01.000000Z
        +500ms
        +500ms
            a running: attempt 2
        fail a
            a ready: exit code 1; retry 2 of 3 at 1970-01-01T00:00:03.000000Z
        +2s
            a running: attempt 3
        timeout a
            a ready: took longer than 10m; retry 3 of 3 at 1970-01-01T00:00:07.000000Z
        +3s
        +1s
            a running: attempt 4
        fail a
            a failed: exit code 1, also when tried 3 times again
            b blocked: needs a, which failed
        ok c
            run failed: a: exit code 1, also when tried 3 times again
            c succeeded: no earlier result stands under its key
        retry
            run running: running
            a running: attempt 5
            b waiting: waits for a
        ok a
            a succeeded: no earlier result stands under its key
            b running: no earlier result stands under its key
        ok b
            run succeeded: 3 steps ran
            b succeeded: no earlier result stands under its key
    ");
}

#[test]
fn lost_and_interrupted_attempts_do_not_count() {
    check("a", "
        look
            run running: running
            a running: no earlier result stands under its key
        lost a
            a ready: lost: its shim is gone; starts again, uncounted
        +1s
            a running: attempt 2
        +2s
        lost a
            a running: attempt 3
        interrupted a
            a running: attempt 4
        lost a
            a ready: lost: its shim is gone; starts again, uncounted
        +1s
            a running: attempt 5
        fail a
            run failed: a: exit code 1
            a failed: exit code 1
    ");
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    check("a; b: a; c: b; d", "
        look
            run running: running
            a running: no earlier result stands under its key
            d running: no earlier result stands under its key
        hopeless a
            a failed: exit code 1
            b blocked: needs a, which failed
            c blocked: needs b, which could not run
        fail a
        ok d
            run failed: a: exit code 1
            d succeeded: no earlier result stands under its key
    ");
}

#[test]
fn the_first_failure_of_the_file_counts_not_of_time() {
    check("a; b; c: a b", "
        look
            run running: running
            a running: no earlier result stands under its key
            b running: no earlier result stands under its key
        fail b
            b failed: exit code 1
        fail a
            run failed: a: exit code 1
            a failed: exit code 1
            c blocked: needs a, which failed
    ");
}

#[test]
fn an_unreachable_resolver_is_asked_again() {
    check("a @python; b: a", "
        look
            run running: running
            a preparing: its Python environment is being resolved
            prepare a round 1
        offline a
            a preparing: offline; asks again at 1970-01-01T00:00:02.000000Z (1 of 5)
        offline a
        +2s
            a preparing: its Python environment is being resolved
            prepare a round 2
        offline a
            a preparing: offline; asks again at 1970-01-01T00:00:06.000000Z (2 of 5)
        +4s
            a preparing: its Python environment is being resolved
            prepare a round 3
        offline a
            a preparing: offline; asks again at 1970-01-01T00:00:14.000000Z (3 of 5)
        +8s
            a preparing: its Python environment is being resolved
            prepare a round 4
        offline a
            a preparing: offline; asks again at 1970-01-01T00:00:30.000000Z (4 of 5)
        +16s
            a preparing: its Python environment is being resolved
            prepare a round 5
        offline a
            a preparing: offline; asks again at 1970-01-01T00:01:02.000000Z (5 of 5)
        +32s
            a preparing: its Python environment is being resolved
            prepare a round 6
        offline a
            run failed: a: offline
            a failed: offline
            b blocked: needs a, which failed
        retry
            run running: running
            a preparing: its Python environment is being resolved
            b waiting: waits for a
            prepare a round 7
        prepared a
            a running: no earlier result stands under its key
        prepared a
        ok a
            a succeeded: no earlier result stands under its key
            b running: no earlier result stands under its key
        ok b
            run succeeded: 2 steps ran
            b succeeded: no earlier result stands under its key
    ");
}

#[test]
fn requirements_that_do_not_resolve_fail_at_once() {
    check("a @python; b: a", "
        look
            run running: running
            a preparing: its Python environment is being resolved
            prepare a round 1
        unresolvable a
            run failed: a: unresolvable
            a failed: unresolvable
            b blocked: needs a, which failed
        prepared a
    ");
}

#[test]
fn a_quiet_moment_is_for_one_step() {
    check("a @wait; b @wait @needs=a; c @wait; d: a", "
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
    ");
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
    check("a @when=false; b: a", "
        look
            run succeeded: 0 steps ran, 2 were skipped
            a skipped: its condition `false` does not hold
            b skipped: needs a, which was skipped
    ");
}

#[test]
fn a_cancelled_run_waits_for_its_attempts() {
    check("a; b; c: a; d @python", "
        look
            run running: running
            a running: no earlier result stands under its key
            b running: no earlier result stands under its key
            d preparing: its Python environment is being resolved
            prepare d round 1
        cancel
            run running: is being ended: cancelled by token:ann
            a running: is being ended: cancelled by token:ann
            b running: is being ended: cancelled by token:ann
            c cancelled: cancelled by token:ann
            d cancelled: cancelled by token:ann
            stop a
            stop b
        cancel
        fail a
            a cancelled: cancelled by token:ann
        prepared d
        ok b
            run cancelled: cancelled by token:ann
            b succeeded: no earlier result stands under its key
        ok b
        retry
            run running: running
            a running: attempt 2
            c waiting: waits for a
            d preparing: its Python environment is being resolved
            prepare d round 2
        ok a
            a succeeded: no earlier result stands under its key
            c running: no earlier result stands under its key
        ok c
            c succeeded: no earlier result stands under its key
        prepared d
            d running: no earlier result stands under its key
        ok d
            run succeeded: 4 steps ran
            d succeeded: no earlier result stands under its key
    ");
}

#[test]
fn a_run_whose_attempts_all_succeeded_is_not_cancelled() {
    check("a", "
        look
            run running: running
            a running: no earlier result stands under its key
        cancel
            run running: is being ended: cancelled by token:ann
            a running: is being ended: cancelled by token:ann
            stop a
        ok a
            run succeeded: 1 step ran
            a succeeded: no earlier result stands under its key
        retry
    ");
}

#[test]
fn a_step_that_waits_for_its_retry_is_cancelled_at_once() {
    check("a @retries=1", "
        look
            run running: running
            a running: no earlier result stands under its key
        fail a
            a ready: exit code 1; retry 1 of 1 at 1970-01-01T00:00:01.000000Z
        cancel
            run cancelled: cancelled by token:ann
            a cancelled: cancelled by token:ann
        +1h
    ");
}

#[test]
fn needs_means_all_items_and_inputs_their_own() {
    check("a[x,y]; b[x,y]: a; c[x,y] @needs=a", "
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
    ");
}

#[test]
fn a_fan_out_over_nothing_is_done() {
    check("a[]; b: a", "
        look
            run running: running
            b running: no earlier result stands under its key
        ok b
            run succeeded: 1 step ran
            b succeeded: no earlier result stands under its key
    ");
}

#[test]
fn the_order_of_the_file_may_be_any() {
    check("c: b; b: a; a", "
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
    ");
}

#[test]
fn a_run_waits_for_its_turn() {
    let mut world = World::new("a; b: a");
    world.active_before = 2;
    check_in(&mut world, "
        look
            run pending: waits for 2 earlier runs of train; 1 at a time
        look
    ");
    world.active_before = 1;
    check_in(&mut world, "
        look
            run pending: waits for an earlier run of train; 1 at a time
    ");
    world.active_before = 0;
    check_in(&mut world, "
        look
            run running: running
            a running: no earlier result stands under its key
        fail a
            run failed: a: exit code 1
            a failed: exit code 1
            b blocked: needs a, which failed
    ");
    // Retried, it waits for its turn like any other.
    world.active_before = 1;
    check_in(&mut world, "
        retry
            run pending: waits for an earlier run of train; 1 at a time
            a waiting: waits for the run to go on
            b waiting: waits for the run to go on
        cancel
            run cancelled: cancelled by token:ann
            a cancelled: cancelled by token:ann
            b cancelled: cancelled by token:ann
    ");
}

#[test]
fn places_are_given_in_the_order_of_the_file() {
    let mut world = World::new("a[x,y,z]; b");
    world.places = 2;
    check_in(&mut world, "
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
    ");
}

#[test]
fn earlier_results_stand_in() {
    let text = "a @dataset=flights; b[x,y]: a; c @nocache @needs=b; d: b";
    let mut first = World::new(text);
    check_in(&mut first, "
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
    ");
    let mut second = World::run(pipeline(text), 2, first.results.clone());
    check_in(&mut second, "
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
    ");
    assert_eq!(second.step("d").cached_from.as_ref(), Some(&first.step("d").id));
    assert_eq!(second.step("d").outputs, first.step("d").outputs);
    // A result from before an output was asked for does not stand in.
    let mut more = pipeline(text);
    more.steps[3].outputs.insert("report".parse().unwrap(), Default::default());
    let mut third = World::run(more, 3, first.results);
    check_in(&mut third, "
        look
            run running: running
            a cached: an earlier result stands under the same key
            b[x] cached: an earlier result stands under the same key
            b[y] cached: an earlier result stands under the same key
            c running: it is never cached
            d running: no earlier result stands under its key
    ");
}

#[test]
fn a_clock_set_back_delays_by_the_longest_wait_at_most() {
    check("a @retries=3", "
        look
            run running: running
            a running: no earlier result stands under its key
        +1h
        fail a
            a ready: exit code 1; retry 1 of 3 at 1970-01-01T01:00:01.000000Z
        back1h
        +3s
        +1s
            a running: attempt 2
        back10s
        lost a
            a ready: lost: its shim is gone; starts again, uncounted
        +1s
            a running: attempt 3
    ");
}
