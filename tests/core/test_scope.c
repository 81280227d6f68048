/* SPDX-License-Identifier: MIT */
/* Limits on blocks of code: nested, shielded, moved, left in every way; in
 * tasks and outside of them. */
#include <coppice/scope.h>

#include "core/sched.h"
#include "core/turn.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- one scope ----------------------------------------------------------- */

CO_TASK_TEST(call_fails_when_the_time_has_passed)
{
    co_scope s = {0};
    int r = 0;

    co_timeout_in(&s, CO_MS) {
        r = co_sleep(CO_SEC);
        ck_assert_int_eq(co_scope_expired(&s), 1);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(co_scope_expired(&s), 1);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
}

CO_TASK_TEST(call_that_ends_in_time_succeeds)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_SEC) {
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
    ck_assert_int_eq(co_scope_expired(&s), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
}

CO_TASK_TEST(scope_stays_expired_until_it_ends)
{
    co_task *other = co_test_spawn(co_test_sleep_for_ever, NULL);

    co_timeout(CO_MS) {
        ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep(1), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep(0), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep_until(0), -ETIMEDOUT);
            ck_assert_int_eq(co_join(other, NULL), -ETIMEDOUT);
        }
    }
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(co_sleep(1), 0);
    ck_assert_int_eq(co_detach(other), 0);
}

CO_TASK_TEST(timeout_of_zero_or_less_has_run_out_already)
{
    static const co_time ns[] = {0, -1, -CO_SEC, -CO_NEVER, INT64_MIN};

    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        co_scope s = {0};

        co_timeout_in(&s, ns[i]) {
            ck_assert_int_eq(co_scope_expired(&s), 0);
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        }
        ck_assert_int_eq(co_scope_expired(&s), 1);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

/* The sum overflows: a far point in time, not the past. */
CO_TASK_TEST(huge_timeouts_do_not_run_out)
{
    static const co_time ns[] = {CO_NEVER, CO_NEVER - 1,
                                 CO_NEVER - CO_TEST_EPOCH,
                                 CO_NEVER - CO_TEST_EPOCH - 1};

    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
        co_timeout(ns[i]) {
            ck_assert_int_eq(co_yield_now(), 0);
            ck_assert_int_eq(co_sleep(3600 * CO_SEC), 0);
        }
}

CO_TASK_TEST(deadline_is_a_point_in_time)
{
    co_deadline(CO_TEST_EPOCH + 5 * CO_MS) {
        ck_assert_int_eq(co_sleep(CO_MS), 0);
        ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_MS);
    co_deadline(CO_NEVER) {
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
}

CO_TASK_TEST(deadline_in_the_past_has_run_out_already)
{
    static const co_time at[] = {CO_TEST_EPOCH, CO_TEST_EPOCH - 1, 0, -1,
                                 INT64_MIN};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        co_deadline(at[i]) {
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        }
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
}

CO_TASK_TEST(sleep_that_ends_with_its_scope_has_slept)
{
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_sleep(CO_MS), 0);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
    }
}

static int be_busy(void *ns)
{
    co_test_clock_pass(*(const co_time *)ns);
    return 0;
}

/* The loop is late; what would have come first decides all the same. */
CO_TASK_TEST(scope_that_ran_out_before_the_sleep_ended_fails_it)
{
    co_time ns = CO_SEC;
    co_task *task = co_test_spawn(be_busy, &ns);

    co_timeout(CO_MS) {
        ck_assert_int_eq(co_sleep(2 * CO_MS), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_result(task), 0);
    task = co_test_spawn(be_busy, &ns);
    co_timeout(2 * CO_MS) {
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- timers are armed late, and few -------------------------------------- */

CO_TASK_TEST(scope_in_which_nothing_waits_arms_no_timer)
{
    co_loop *loop = co_loop_running();
    uint64_t armed = loop->timers.seq;

    for (int i = 0; i < 1000; i++)
        co_timeout(CO_SEC) {
            co_deadline(CO_TEST_EPOCH + CO_SEC) {
                CO_TIMEOUT(CO_MS);
                ck_assert_int_eq(co_yield_now(), 0);
            }
        }
    ck_assert_uint_eq(loop->timers.seq, armed);
    ck_assert_uint_eq(loop->timers.count, 0);
}

CO_TASK_TEST(renewed_timeouts_share_one_timer)
{
    co_loop *loop = co_loop_running();
    uint64_t armed = loop->timers.seq;
    co_task *task = co_test_spawn(co_test_sleep_for_ever, NULL);

    for (int i = 0; i < 1000; i++)
        co_timeout(CO_SEC) {
            co_task *other = co_test_spawn(co_test_return, NULL);

            ck_assert_int_eq(co_test_result(other), 0);
            ck_assert_uint_le(loop->timers.count, 1);
        }
    ck_assert_uint_le(loop->timers.seq, armed + 1);
    co_cancel(task);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
}

static int wait_in_a_scope(void *unused)
{
    (void)unused;
    co_timeout(CO_SEC) {
        co_test_yield();
        ck_assert_int_eq(co_test_sleep_for_ever(NULL), -ECANCELED);
    }
    return 0;
}

CO_TASK_TEST(timer_goes_when_its_task_ends)
{
    co_loop *loop = co_loop_running();
    co_task *task[20];

    for (int i = 0; i < 20; i++)
        task[i] = co_test_spawn(wait_in_a_scope, NULL);
    co_test_yield();
    co_test_yield();
    ck_assert_uint_eq(loop->timers.count, 20);
    for (int i = 0; i < 20; i++)
        co_cancel(task[i]);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_uint_eq(loop->timers.count, 0);
}

/* A timer that is left from an ended scope fires into another wait. */
CO_TASK_TEST(timer_of_an_ended_scope_disturbs_no_later_wait)
{
    co_task *other = co_test_spawn(co_test_sleep_for_ever, NULL);

    co_timeout(CO_MS) {
        co_task *task = co_test_spawn(co_test_return, NULL);

        ck_assert_int_eq(co_test_result(task), 0);
    }
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    co_timeout(CO_SEC) {
        ck_assert_int_eq(co_join(other, NULL), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 2 * CO_SEC);
    ck_assert_int_eq(co_detach(other), 0);
}

/* ---- nested -------------------------------------------------------------- */

CO_TASK_TEST(inner_scope_that_runs_out_leaves_the_outer)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, CO_SEC) {
        co_timeout_in(&inner, CO_MS) {
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        }
        ck_assert_int_eq(co_scope_expired(&inner), 1);
        ck_assert_int_eq(co_scope_expired(&outer), 0);
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
    ck_assert_int_eq(co_scope_expired(&outer), 0);
}

CO_TASK_TEST(outer_scope_that_runs_out_is_the_one_that_expired)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, CO_MS) {
        co_timeout_in(&inner, CO_SEC) {
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
            ck_assert_int_eq(co_scope_expired(&inner), 0);
            ck_assert_int_eq(co_scope_expired(&outer), 1);
        }
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_scope_expired(&inner), 0);
    ck_assert_int_eq(co_scope_expired(&outer), 1);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
}

CO_TASK_TEST(scopes_that_run_out_together_have_both_expired)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, CO_MS) {
        co_timeout_in(&inner, CO_MS) {
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        }
    }
    ck_assert_int_eq(co_scope_expired(&inner), 1);
    ck_assert_int_eq(co_scope_expired(&outer), 1);
}

CO_TASK_TEST(scope_under_one_that_is_due_fails_at_once)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, CO_MS) {
        co_test_clock_pass(2 * CO_MS);
        co_timeout_in(&inner, CO_SEC) {
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
    }
    ck_assert_int_eq(co_scope_expired(&inner), 0);
    ck_assert_int_eq(co_scope_expired(&outer), 1);
}

CO_TASK_TEST(child_is_not_limited_by_the_scopes_of_its_parent)
{
    co_time ns = CO_SEC;
    co_task *task = NULL;

    co_timeout(CO_MS) {
        task = co_test_spawn(co_test_sleep, &ns);
        ck_assert_int_eq(co_join(task, NULL), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- a task that never waits --------------------------------------------- */

CO_TASK_TEST(task_that_never_waits_is_bounded)
{
    co_loop *loop = co_loop_running();
    int r = 0;

    co_timeout(CO_MS) {
        while (!r && co_test_clock_elapsed() < CO_SEC) {
            co_test_clock_pass(CO_US);
            r = co__enter(loop, loop->self);
        }
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_le(co_test_clock_elapsed(), CO_MS + CO__BUDGET_LOOK * CO_US);
}

CO_TASK_TEST(task_that_only_yields_is_bounded)
{
    int r = 0;

    co_timeout(CO_MS) {
        while (!r && co_test_clock_elapsed() < CO_SEC) {
            co_test_clock_pass(CO_US);
            r = co_yield_now();
        }
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_le(co_test_clock_elapsed(), CO_MS + CO__SLICE * CO_US);
}

/* ---- ways out ------------------------------------------------------------ */

static int return_from(int shielded)
{
    co_timeout(0) {
        if (shielded) {
            CO_SHIELD;
            return co_yield_now();
        }
        return co_yield_now();
    }
    return 1;
}

static void check_no_scope(void)
{
    ck_assert_ptr_null(co__chain_current()->top);
    ck_assert_int_eq(co__chain_current()->due, CO_NEVER);
    ck_assert_uint_eq(co__chain_current()->shields, 0);
}

CO_TASK_TEST(return_leaves_all_scopes)
{
    ck_assert_int_eq(return_from(0), -ETIMEDOUT);
    check_no_scope();
    ck_assert_int_eq(return_from(1), 0);
    check_no_scope();
}

CO_TASK_TEST(break_and_continue_leave_the_block_only)
{
    int after = 0;

    for (int i = 0; i < 3; i++) {
        co_timeout(0) {
            if (i == 0)
                break;
            if (i == 1)
                continue;
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
        check_no_scope();
        after++;
    }
    ck_assert_int_eq(after, 3);
}

CO_TASK_TEST(goto_leaves_all_scopes_between)
{
    int turns = 0;

again:
    check_no_scope();
    co_timeout(0) {
        co_shield {
            CO_TIMEOUT(CO_SEC);
            if (turns++ < 3)
                goto again;
        }
        goto out;
    }
    ck_abort_msg("goto did not jump");
out:
    check_no_scope();
    ck_assert_int_eq(turns, 4);
}

CO_TASK_TEST(block_is_entered_once)
{
    int times = 0;

    co_timeout(CO_SEC) {
        co_deadline(CO_NEVER) {
            co_shield {
                times++;
            }
        }
    }
    ck_assert_int_eq(times, 1);
    check_no_scope();
}

CO_TASK_TEST(declared_scopes_last_to_the_end_of_their_block)
{
    {
        CO_TIMEOUT(CO_SEC);
        {
            CO_TIMEOUT(0);
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
            CO_SHIELD;
            ck_assert_int_eq(co_yield_now(), 0);
        }
        ck_assert_int_eq(co_yield_now(), 0);
        ck_assert_int_eq(co_sleep(2 * CO_SEC), -ETIMEDOUT);
    }
    check_no_scope();
    ck_assert_int_eq(co_yield_now(), 0);
}

CO_TASK_TEST(limit_is_evaluated_once)
{
    co_time ns = CO_MS;
    co_scope scopes[2] = {{0}}, *s = scopes;

    co_timeout(ns++) {
        ck_assert_int_eq(ns, CO_MS + 1);
    }
    co_timeout_in(s++, CO_MS) {
        ck_assert_ptr_eq(s, &scopes[1]);
    }
}

CO_TASK_TEST(named_scope_may_be_used_again)
{
    co_scope s = {0};

    for (int i = 0; i < 3; i++) {
        co_timeout_in(&s, 0) {
            ck_assert_int_eq(co_scope_expired(&s), 0);
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
        ck_assert_int_eq(co_scope_expired(&s), 1);
    }
    co_timeout_in(&s, CO_SEC) {
        ck_assert_int_eq(co_yield_now(), 0);
    }
    ck_assert_int_eq(co_scope_expired(&s), 0);
}

/* ---- cancel and timeout -------------------------------------------------- */

CO_TASK_TEST(cancel_comes_before_a_timeout)
{
    co_scope s = {0};

    co_timeout_in(&s, 0) {
        ck_assert_int_eq(co_cancel(co_self()), 1);
        ck_assert_int_eq(co_yield_now(), -ECANCELED);
        ck_assert_int_eq(co_sleep(CO_SEC), -ECANCELED);
        ck_assert_int_eq(co_scope_expired(&s), 0);
        /* A timeout does not swallow a cancel, nor the other way round. */
        ck_assert_int_eq(co_uncancel(co_self()), 0);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        ck_assert_int_eq(co_cancel(co_self()), 1);
        ck_assert_int_eq(co_yield_now(), -ECANCELED);
    }
    ck_assert_int_eq(co_yield_now(), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_yield_now(), 0);
}

struct two_results {
    int first;
    int second;
};

static int park_twice_in_a_scope(void *arg)
{
    struct two_results *r = arg;
    co_loop *loop = co_loop_running();

    co_timeout(CO_MS) {
        r->first = co__park(loop, loop->self, CO__WAIT_JOIN);
        r->second = co_yield_now();
    }
    return 0;
}

CO_TASK_TEST(timeout_before_a_cancel_is_a_timeout)
{
    struct two_results r = {0};
    co_task *task = co_test_spawn(park_twice_in_a_scope, &r);

    co_test_yield();
    /* The scope's timer makes the task ready before this one's. */
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(task->state, CO__TASK_DONE);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(r.first, -ETIMEDOUT);

    task = co_test_spawn(park_twice_in_a_scope, &r);
    co_test_yield();
    co_test_clock_pass(2 * CO_MS);
    co__task_expired(task, co_now()); /* as the turn does */
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(r.first, -ETIMEDOUT);
    ck_assert_int_eq(r.second, -ECANCELED);
}

CO_TASK_TEST(cancel_before_a_timeout_is_a_cancel)
{
    struct two_results r = {0};
    co_task *task = co_test_spawn(park_twice_in_a_scope, &r);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    co_test_clock_pass(2 * CO_MS);
    co__task_expired(task, co_now());
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(r.first, -ECANCELED);
    ck_assert_int_eq(r.second, -ECANCELED);
}

CO_TASK_TEST(value_granted_before_a_timeout_is_kept)
{
    struct two_results r = {0};
    co_task *task = co_test_spawn(park_twice_in_a_scope, &r);

    co_test_yield();
    ck_assert_int_eq(co__wake(task, 42), 1);
    co_test_clock_pass(2 * CO_MS);
    co__task_expired(task, co_now());
    ck_assert_int_eq(co_sleep(1), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(r.first, 42);
}

CO_TASK_TEST(nothing_is_granted_after_a_timeout)
{
    struct two_results r = {0};
    co_task *task = co_test_spawn(park_twice_in_a_scope, &r);

    co_test_yield();
    co_test_clock_pass(2 * CO_MS);
    co__task_expired(task, co_now());
    ck_assert_int_eq(co__wake(task, 42), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(r.first, -ETIMEDOUT);
}

/* ---- shields ------------------------------------------------------------- */

CO_TASK_TEST(shield_holds_an_outer_timeout_back)
{
    co_scope outer = {0};

    co_timeout_in(&outer, CO_MS) {
        co_shield {
            ck_assert_int_eq(co_sleep(CO_SEC), 0);
            ck_assert_int_eq(co_yield_now(), 0);
        }
        ck_assert_int_eq(co_scope_expired(&outer), 0);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        co_shield {
            ck_assert_int_eq(co_sleep(CO_SEC), 0);
        }
    }
    ck_assert_int_eq(co_scope_expired(&outer), 1);
}

CO_TASK_TEST(shield_holds_both_back_at_once)
{
    co_timeout(0) {
        ck_assert_int_eq(co_cancel(co_self()), 1);
        co_shield {
            ck_assert_int_eq(co_sleep(CO_SEC), 0);
        }
        ck_assert_int_eq(co_yield_now(), -ECANCELED);
        ck_assert_int_eq(co_uncancel(co_self()), 0);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
    }
}

CO_TASK_TEST(limit_within_a_shield_works)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, CO_MS) {
        co_shield {
            ck_assert_int_eq(co_cancel(co_self()), 1);
            co_timeout_in(&inner, CO_SEC) {
                ck_assert_int_eq(co_sleep(CO_MS), 0);
                ck_assert_int_eq(co_sleep(2 * CO_SEC), -ETIMEDOUT);
            }
            ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
            ck_assert_int_eq(co_yield_now(), 0);
        }
        ck_assert_int_eq(co_scope_expired(&outer), 0);
        ck_assert_int_eq(co_uncancel(co_self()), 0);
    }
    ck_assert_int_eq(co_scope_expired(&inner), 1);
}

CO_TASK_TEST(shield_within_a_limit_within_a_shield_holds)
{
    co_shield {
        co_timeout(0) {
            co_shield {
                ck_assert_int_eq(co_sleep(CO_MS), 0);
            }
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
        ck_assert_int_eq(co_yield_now(), 0);
    }
}

/* ---- moving a deadline --------------------------------------------------- */

CO_TASK_TEST(scope_can_be_moved_before_it_runs_out)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_MS) {
        ck_assert_int_eq(co_scope_reschedule(&s, CO_TEST_EPOCH + CO_SEC), 0);
        ck_assert_int_eq(co_sleep(10 * CO_MS), 0);
        ck_assert_int_eq(co_scope_reschedule(&s, CO_TEST_EPOCH + 20 * CO_MS),
                         0);
        ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), 20 * CO_MS);
}

CO_TASK_TEST(scope_can_be_moved_to_never)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_MS) {
        ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), 0);
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
}

CO_TASK_TEST(scope_moved_to_the_past_has_run_out)
{
    static const co_time at[] = {CO_TEST_EPOCH, CO_TEST_EPOCH - 1, 0, -1,
                                 INT64_MIN};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        co_scope s = {0};

        co_timeout_in(&s, CO_SEC) {
            ck_assert_int_eq(co_scope_reschedule(&s, at[i]), 0);
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
    }
}

CO_TASK_TEST(scope_that_is_due_but_unnoticed_can_still_be_moved)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_MS) {
        co_test_clock_pass(2 * CO_MS);
        ck_assert_int_eq(co_scope_reschedule(&s, co_now() + CO_SEC), 0);
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    }
}

CO_TASK_TEST(scope_that_has_expired_cannot_be_moved)
{
    co_scope s = {0};

    co_timeout_in(&s, 0) {
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), -ETIMEDOUT);
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
    }
}

CO_TASK_TEST(scope_that_is_not_entered_cannot_be_moved)
{
    co_scope s = {0};

    ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), -EINVAL);
    co_timeout_in(&s, CO_MS) {
        ck_assert_int_eq(co_scope_reschedule(NULL, CO_NEVER), -EINVAL);
    }
    ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), -EINVAL);
    ck_assert_int_eq(co_scope_expired(NULL), 0);
}

CO_TASK_TEST(shield_has_no_deadline_to_move)
{
    co_scope s = {0};

    ck_assert_ptr_eq(co__scope_shield(&s, 0), &s);
    ck_assert_int_eq(co_scope_reschedule(&s, 0), -EPERM);
    ck_assert_int_eq(co_yield_now(), 0);
    co__scope_leave(&s);
}

CO_TASK_TEST(moving_an_outer_scope_moves_what_is_inside_up_to_a_shield)
{
    co_scope outer = {0};

    co_timeout_in(&outer, CO_SEC) {
        co_timeout(2 * CO_SEC) {
            co_shield {
                co_timeout(3 * CO_SEC) {
                    ck_assert_int_eq(co_scope_reschedule(&outer, 0), 0);
                    ck_assert_int_eq(co_sleep(CO_MS), 0);
                }
            }
            ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        }
    }
    ck_assert_int_eq(co_scope_expired(&outer), 1);
}

CO_TASK_TEST(moving_the_outer_of_a_thousand_scopes_reaches_the_innermost)
{
    static co_scope s[1000];

    for (int i = 0; i < 1000; i++) {
        s[i] = (co_scope){0};
        co__scope_timeout(&s[i], CO_SEC + i);
    }
    ck_assert_int_eq(co_scope_reschedule(&s[0], CO_TEST_EPOCH + CO_MS), 0);
    ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
    for (int i = 999; i >= 0; i--)
        co__scope_leave(&s[i]);
    ck_assert_int_eq(co_scope_expired(&s[0]), 1);
    ck_assert_int_eq(co_scope_expired(&s[1]), 0);
}

static int sleep_in_scope(void *scope)
{
    int r = 0;

    co_timeout_in(scope, CO_SEC) {
        r = co_test_sleep_for_ever(NULL);
    }
    return r;
}

static void move_a_sleepers_scope(co_time at, co_time expected_end)
{
    co_scope s = {0};
    co_task *task = co_test_spawn(sleep_in_scope, &s);

    co_test_yield();
    ck_assert_int_eq(co_scope_reschedule(&s, at), 0);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), expected_end);
    ck_assert_int_eq(co_scope_expired(&s), 1);
}

CO_TASK_TEST(another_task_may_move_a_sleepers_scope)
{
    move_a_sleepers_scope(CO_TEST_EPOCH + CO_MS, CO_MS);
    move_a_sleepers_scope(CO_TEST_EPOCH + 9 * CO_SEC, 9 * CO_SEC);
    move_a_sleepers_scope(CO_TEST_EPOCH, 9 * CO_SEC);
    move_a_sleepers_scope(0, 9 * CO_SEC);
    move_a_sleepers_scope(-1, 9 * CO_SEC);
    /* Not to be taken for a cancel. */
    move_a_sleepers_scope(INT64_MIN, 9 * CO_SEC);
}

CO_TASK_TEST(sleepers_scope_moved_to_never_and_back)
{
    co_scope s = {0};
    co_task *task = co_test_spawn(sleep_in_scope, &s);

    co_test_yield();
    ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), 0);
    ck_assert_int_eq(co_sleep(100 * CO_SEC), 0);
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    ck_assert_int_eq(co_scope_reschedule(&s, co_now() + CO_SEC), 0);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(co_test_clock_elapsed(), 101 * CO_SEC);
}

static void *move_from_another_thread(void *scope)
{
    ck_assert_int_eq(co_scope_reschedule(scope, 0), -EPERM);
    return NULL;
}

static void move_on_thread(co_scope *s)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, move_from_another_thread, s),
                     0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

CO_TASK_TEST(scope_of_another_thread_is_eperm)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_SEC) {
        move_on_thread(&s);
        ck_assert_int_eq(co_yield_now(), 0);
    }
}

/* ---- outside a task ------------------------------------------------------ */

START_TEST(scopes_limit_the_sleep_of_a_thread)
{
    co_scope outer = {0}, inner = {0};

    co_timeout_in(&outer, 5 * CO_MS) {
        co_timeout_in(&inner, CO_MS) {
            ck_assert_int_eq(co_sleep(10), 0);
            ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
            ck_assert_int_eq(co_sleep_until(CO_NEVER), -ETIMEDOUT);
        }
        ck_assert_int_eq(co_scope_expired(&inner), 1);
        ck_assert_int_eq(co_scope_expired(&outer), 0);
        ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
        co_shield {
            ck_assert_int_eq(co_sleep(10 * CO_MS), 0);
        }
        ck_assert_int_eq(co_sleep(1), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_scope_expired(&outer), 1);
    ck_assert_int_eq(co_sleep(1), 0);
    check_no_scope();
}
END_TEST

START_TEST(scopes_bound_a_thread_that_gives_way)
{
    co_timeout(0) {
        ck_assert_int_eq(co_yield_now(), -ETIMEDOUT);
        ck_assert_int_eq(co_sleep(0), -ETIMEDOUT);
        ck_assert_int_eq(co_sleep_until(0), -ETIMEDOUT);
        co_shield {
            ck_assert_int_eq(co_yield_now(), 0);
        }
    }
    ck_assert_int_eq(co_yield_now(), 0);
}
END_TEST

START_TEST(scope_of_a_thread_can_be_moved_by_it_alone)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_SEC) {
        move_on_thread(&s);
        ck_assert_int_eq(co_scope_reschedule(&s, co_now() + CO_MS), 0);
        ck_assert_int_eq(co_sleep(CO_SEC), -ETIMEDOUT);
        ck_assert_int_eq(co_scope_reschedule(&s, CO_NEVER), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_test_clock_elapsed(), CO_MS);
}
END_TEST

START_TEST(thread_sleeps_really_and_no_longer_than_its_scope)
{
    co_time before = co_now();

    co_timeout(2 * CO_MS) {
        ck_assert_int_eq(co_sleep(100 * CO_SEC), -ETIMEDOUT);
    }
    ck_assert_int_ge(co_now() - before, 2 * CO_MS);
    ck_assert_int_lt(co_now() - before, 50 * CO_SEC);
}
END_TEST

/* ---- the program's own mistakes ------------------------------------------ */

/* Whether fn stops the program. Its line goes nowhere. */
static int dies(void (*fn)(void))
{
    pid_t child;
    int status = 0;

    fflush(NULL);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        fn();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void enter_twice(void)
{
    co_scope s = {0};

    co_timeout_in(&s, CO_SEC) {
        co_timeout_in(&s, CO_SEC) {
        }
    }
}

static int leave_inside(void *scope)
{
    co__scope_timeout(scope, CO_SEC);
    return 0;
}

static void return_from_inside(void)
{
    static co_scope s;

    co_run(leave_inside, &s);
}

START_TEST(scope_entered_twice_stops_the_program)
{
    ck_assert(dies(enter_twice));
}
END_TEST

START_TEST(task_that_returns_from_inside_a_scope_stops_the_program)
{
    ck_assert(dies(return_from_inside));
}
END_TEST

/* ---- the model ----------------------------------------------------------- */

#define MODEL_SCOPES 12

struct model {
    co_scope scope[MODEL_SCOPES];
    co_time deadline[MODEL_SCOPES];
    int shield[MODEL_SCOPES];
    int expired[MODEL_SCOPES];
    int depth;
    int cancels;
    struct co_test_random random;
};

/* From which scope on inwards limits hold, and the least of them. */
static co_time model_limit(const struct model *m, int *from, int *shielded)
{
    co_time limit = CO_NEVER;
    int i;

    *shielded = 0;
    for (i = 0; i < m->depth; i++)
        *shielded |= m->shield[i];
    for (i = m->depth; i > 0 && !m->shield[i - 1]; i--)
        if (m->deadline[i - 1] < limit)
            limit = m->deadline[i - 1];
    *from = i;
    return limit;
}

static void model_sleep(struct model *m)
{
    co_time now = co_now(), end, limit;
    co_time ns = (co_time)co_test_random_below(&m->random, 3000) - 10;
    int from, shielded, expected = 0;

    limit = model_limit(m, &from, &shielded);
    end = ns > 0 ? now + ns : now;
    if (m->cancels && !shielded) {
        expected = -ECANCELED;
        end = now;
    } else if (limit < end || limit <= now) {
        expected = -ETIMEDOUT;
        end = limit < now ? now : limit;
        for (int i = from; i < m->depth; i++)
            m->expired[i] |= m->deadline[i] <= end;
    }
    ck_assert_int_eq(co_sleep(ns), expected);
    ck_assert_int_eq(co_now(), end);
    for (int i = 0; i < m->depth; i++)
        ck_assert_int_eq(co_scope_expired(&m->scope[i]), m->expired[i]);
}

static co_time model_deadline(struct model *m)
{
    if (!co_test_random_below(&m->random, 10))
        return CO_NEVER;
    return co_now() + (co_time)co_test_random_below(&m->random, 5000) - 500;
}

static void model_enter(struct model *m)
{
    int i = m->depth;

    if (i == MODEL_SCOPES)
        return;
    m->shield[i] = !co_test_random_below(&m->random, 4);
    m->expired[i] = 0;
    m->deadline[i] = m->shield[i] ? CO_NEVER : model_deadline(m);
    if (m->shield[i])
        co__scope_shield(&m->scope[i], 0);
    else if (m->deadline[i] == CO_NEVER || i % 2)
        co__scope_deadline(&m->scope[i], m->deadline[i]);
    else
        co__scope_timeout(&m->scope[i], m->deadline[i] - co_now());
    m->depth++;
}

static void model_move(struct model *m)
{
    int i, expected = 0;
    co_time at = model_deadline(m);

    if (!m->depth)
        return;
    i = (int)co_test_random_below(&m->random, (uint32_t)m->depth);
    if (m->shield[i])
        expected = -EPERM;
    else if (m->expired[i])
        expected = -ETIMEDOUT;
    else
        m->deadline[i] = at;
    ck_assert_int_eq(co_scope_reschedule(&m->scope[i], at), expected);
}

static void model_step(struct model *m)
{
    switch (co_test_random_below(&m->random, 12)) {
    case 0:
    case 1:
    case 2:
        model_enter(m);
        break;
    case 3:
    case 4:
    case 5:
        if (m->depth)
            co__scope_leave(&m->scope[--m->depth]);
        break;
    case 6:
        if (m->cancels < 2)
            ck_assert_int_eq(co_cancel(co_self()), ++m->cancels);
        break;
    case 7:
        if (m->cancels)
            ck_assert_int_eq(co_uncancel(co_self()), --m->cancels);
        break;
    case 8:
        model_move(m);
        break;
    default:
        model_sleep(m);
    }
}

CO_TASK_TEST(scopes_behave_like_their_definition)
{
    int rounds = co_test_scale(400, 30);

    for (int round = 0; round < rounds; round++) {
        struct model m = {.random = {(uint64_t)round}};

        for (int step = 0; step < 500; step++)
            model_step(&m);
        while (m.depth)
            co__scope_leave(&m.scope[--m.depth]);
        while (m.cancels)
            ck_assert_int_eq(co_uncancel(co_self()), --m.cancels);
        check_no_scope();
    }
}

static Suite *suite(void)
{
    Suite *s = suite_create("core/scope");
    TCase *real = tcase_create("real clock");
    TCase *tc = tcase_create("scope");

    co_test_check_fds(real);
    tcase_add_test(real, thread_sleeps_really_and_no_longer_than_its_scope);
    suite_add_tcase(s, real);

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, call_fails_when_the_time_has_passed);
    tcase_add_test(tc, call_that_ends_in_time_succeeds);
    tcase_add_test(tc, scope_stays_expired_until_it_ends);
    tcase_add_test(tc, timeout_of_zero_or_less_has_run_out_already);
    tcase_add_test(tc, huge_timeouts_do_not_run_out);
    tcase_add_test(tc, deadline_is_a_point_in_time);
    tcase_add_test(tc, deadline_in_the_past_has_run_out_already);
    tcase_add_test(tc, sleep_that_ends_with_its_scope_has_slept);
    tcase_add_test(tc, scope_that_ran_out_before_the_sleep_ended_fails_it);
    tcase_add_test(tc, scope_in_which_nothing_waits_arms_no_timer);
    tcase_add_test(tc, renewed_timeouts_share_one_timer);
    tcase_add_test(tc, timer_goes_when_its_task_ends);
    tcase_add_test(tc, timer_of_an_ended_scope_disturbs_no_later_wait);
    tcase_add_test(tc, inner_scope_that_runs_out_leaves_the_outer);
    tcase_add_test(tc, outer_scope_that_runs_out_is_the_one_that_expired);
    tcase_add_test(tc, scopes_that_run_out_together_have_both_expired);
    tcase_add_test(tc, scope_under_one_that_is_due_fails_at_once);
    tcase_add_test(tc, child_is_not_limited_by_the_scopes_of_its_parent);
    tcase_add_test(tc, task_that_never_waits_is_bounded);
    tcase_add_test(tc, task_that_only_yields_is_bounded);
    tcase_add_test(tc, return_leaves_all_scopes);
    tcase_add_test(tc, break_and_continue_leave_the_block_only);
    tcase_add_test(tc, goto_leaves_all_scopes_between);
    tcase_add_test(tc, block_is_entered_once);
    tcase_add_test(tc, declared_scopes_last_to_the_end_of_their_block);
    tcase_add_test(tc, limit_is_evaluated_once);
    tcase_add_test(tc, named_scope_may_be_used_again);
    tcase_add_test(tc, cancel_comes_before_a_timeout);
    tcase_add_test(tc, timeout_before_a_cancel_is_a_timeout);
    tcase_add_test(tc, cancel_before_a_timeout_is_a_cancel);
    tcase_add_test(tc, value_granted_before_a_timeout_is_kept);
    tcase_add_test(tc, nothing_is_granted_after_a_timeout);
    tcase_add_test(tc, shield_holds_an_outer_timeout_back);
    tcase_add_test(tc, shield_holds_both_back_at_once);
    tcase_add_test(tc, limit_within_a_shield_works);
    tcase_add_test(tc, shield_within_a_limit_within_a_shield_holds);
    tcase_add_test(tc, scope_can_be_moved_before_it_runs_out);
    tcase_add_test(tc, scope_can_be_moved_to_never);
    tcase_add_test(tc, scope_moved_to_the_past_has_run_out);
    tcase_add_test(tc, scope_that_is_due_but_unnoticed_can_still_be_moved);
    tcase_add_test(tc, scope_that_has_expired_cannot_be_moved);
    tcase_add_test(tc, scope_that_is_not_entered_cannot_be_moved);
    tcase_add_test(tc, shield_has_no_deadline_to_move);
    tcase_add_test(tc,
                   moving_an_outer_scope_moves_what_is_inside_up_to_a_shield);
    tcase_add_test(tc,
                   moving_the_outer_of_a_thousand_scopes_reaches_the_innermost);
    tcase_add_test(tc, another_task_may_move_a_sleepers_scope);
    tcase_add_test(tc, sleepers_scope_moved_to_never_and_back);
    tcase_add_test(tc, scope_of_another_thread_is_eperm);
    tcase_add_test(tc, scopes_limit_the_sleep_of_a_thread);
    tcase_add_test(tc, scopes_bound_a_thread_that_gives_way);
    tcase_add_test(tc, scope_of_a_thread_can_be_moved_by_it_alone);
    tcase_add_test(tc, scope_entered_twice_stops_the_program);
    tcase_add_test(tc, task_that_returns_from_inside_a_scope_stops_the_program);
    tcase_add_test(tc, scopes_behave_like_their_definition);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
