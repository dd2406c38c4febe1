//! Stories of what goes wrong or is called off.

use super::world::check;

#[test]
fn failures_are_retried_with_growing_waits() {
    check(
        "a @retries=3; b: a; c",
        "
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
    ",
    );
}

#[test]
fn lost_and_interrupted_attempts_do_not_count() {
    check(
        "a",
        "
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
    ",
    );
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    check(
        "a; b: a; c: b; d",
        "
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
    ",
    );
}

#[test]
fn the_first_failure_of_the_file_counts_not_of_time() {
    check(
        "a; b; c: a b",
        "
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
    ",
    );
}

#[test]
fn an_unreachable_resolver_is_asked_again() {
    check(
        "a @python; b: a",
        "
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
    ",
    );
}

#[test]
fn requirements_that_do_not_resolve_fail_at_once() {
    check(
        "a @python; b: a",
        "
        look
            run running: running
            a preparing: its Python environment is being resolved
            prepare a round 1
        unresolvable a
            run failed: a: unresolvable
            a failed: unresolvable
            b blocked: needs a, which failed
        prepared a
    ",
    );
}

#[test]
fn a_cancelled_run_waits_for_its_attempts() {
    check(
        "a; b; c: a; d @python",
        "
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
    ",
    );
}

#[test]
fn a_run_whose_attempts_all_succeeded_is_not_cancelled() {
    check(
        "a",
        "
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
    ",
    );
}

#[test]
fn a_step_that_waits_for_its_retry_is_cancelled_at_once() {
    check(
        "a @retries=1",
        "
        look
            run running: running
            a running: no earlier result stands under its key
        fail a
            a ready: exit code 1; retry 1 of 1 at 1970-01-01T00:00:01.000000Z
        cancel
            run cancelled: cancelled by token:ann
            a cancelled: cancelled by token:ann
        +1h
    ",
    );
}

#[test]
fn a_clock_set_back_delays_by_the_longest_wait_at_most() {
    check(
        "a @retries=3",
        "
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
    ",
    );
}
