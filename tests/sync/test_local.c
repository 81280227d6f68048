/* SPDX-License-Identifier: MIT */
/* Task-locals: keys, values, what children begin with, when values die. */
#include <coppice.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/dies.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <string.h>

/* Which values were destroyed, in order: 'a' + value. */
static struct co_test_log dead;
static co_local_key key;

static void destroy(void *value)
{
    co_test_log_add(&dead, (char)('a' + (intptr_t)value));
}

static void setup(void)
{
    dead = (struct co_test_log){.length = 0};
    ck_assert_int_eq(co_local_key_new(&key, destroy), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(co_local_key_delete(key), 0);
}

static void set(intptr_t value)
{
    ck_assert_int_eq(co_local_set(key, co_test_number(value)), 0);
}

static intptr_t get(void)
{
    return (intptr_t)co_local_get(key);
}

static int get_it(void *unused)
{
    (void)unused;
    return (int)get();
}

/* Returns what it had. */
static int get_and_set(void *value)
{
    intptr_t had = get();

    set((intptr_t)value);
    return (int)had;
}

/* ---- keys ---------------------------------------------------------------- */

CO_TASK_TEST(no_key_and_deleted_keys_are_einval)
{
    co_local_key none = {0}, far = {CO_LOCAL_KEYS_MAX, 1}, gone;
    co_local_token token;

    ck_assert_int_eq(co_local_key_new(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_local_key_new(&gone, NULL), 0);
    ck_assert_int_eq(co_local_set(gone, &gone), 0);
    ck_assert_ptr_eq(co_local_get(gone), &gone);
    ck_assert_int_eq(co_local_key_delete(gone), 0);
    for (int i = 0; i < 3; i++) {
        co_local_key bad = i == 0 ? none : i == 1 ? far : gone;

        ck_assert_ptr_null(co_local_get(bad));
        ck_assert_int_eq(co_local_set(bad, &bad), -EINVAL);
        ck_assert_int_eq(co_local_swap(bad, &bad, &token), -EINVAL);
        ck_assert_int_eq(co_local_key_delete(bad), -EINVAL);
    }
    ck_assert_int_eq(co_local_swap(key, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_local_reset(NULL), -EINVAL);
}

CO_TASK_TEST(keys_do_not_see_each_other)
{
    co_local_key keys[40];

    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(co_local_key_new(&keys[i], NULL), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(co_local_set(keys[i], &keys[i]), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_ptr_eq(co_local_get(keys[i]), &keys[i]);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(co_local_key_delete(keys[i]), 0);
}

CO_TASK_TEST(new_key_does_not_see_the_values_of_a_deleted_one)
{
    co_local_key first, second;

    ck_assert_int_eq(co_local_key_new(&first, destroy), 0);
    ck_assert_int_eq(co_local_set(first, co_test_number(1)), 0);
    ck_assert_int_eq(co_local_key_delete(first), 0);
    ck_assert_int_eq(co_local_key_new(&second, NULL), 0);
    ck_assert_uint_eq(first.co__index, second.co__index);
    ck_assert_ptr_null(co_local_get(second));
    ck_assert_ptr_null(co_local_get(first));
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_local_set(second, co_test_number(2)), 0);
    ck_assert_str_eq(dead.text, "b");
    ck_assert_int_eq(co_local_key_delete(second), 0);
}

static int leave_with_deleted_key(void *unused)
{
    co_local_key gone;

    (void)unused;
    ck_assert_int_eq(co_local_key_new(&gone, destroy), 0);
    ck_assert_int_eq(co_local_set(gone, co_test_number(3)), 0);
    return co_local_key_delete(gone);
}

CO_TASK_TEST(value_of_a_deleted_key_is_destroyed_with_its_task)
{
    ck_assert_int_eq(
        co_test_result(co_test_spawn(leave_with_deleted_key, NULL)), 0);
    ck_assert_str_eq(dead.text, "d");
}

START_TEST(too_many_keys_are_eagain)
{
    static co_local_key keys[CO_LOCAL_KEYS_MAX];
    int count = 0, r;

    while ((r = co_local_key_new(&keys[count], NULL)) == 0)
        count++;
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(count, CO_LOCAL_KEYS_MAX - 1); /* one is `key` */
    ck_assert_int_eq(co_local_key_delete(keys[500]), 0);
    ck_assert_int_eq(co_local_key_new(&keys[500], NULL), 0);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(co_local_key_delete(keys[i]), 0);
}
END_TEST

static void *make_keys(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        co_local_key mine[5];

        for (int k = 0; k < 5; k++) {
            ck_assert_int_eq(co_local_key_new(&mine[k], NULL), 0);
            ck_assert_int_eq(co_local_set(mine[k], &mine[k]), 0);
        }
        for (int k = 0; k < 5; k++) {
            ck_assert_ptr_eq(co_local_get(mine[k]), &mine[k]);
            ck_assert_int_eq(co_local_key_delete(mine[k]), 0);
        }
    }
    return NULL;
}

START_TEST(threads_make_keys_at_the_same_time)
{
    pthread_t thread[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, make_keys, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}
END_TEST

/* ---- values -------------------------------------------------------------- */

CO_TASK_TEST(value_is_what_was_set)
{
    ck_assert_int_eq(get(), 0);
    set(1);
    ck_assert_int_eq(get(), 1);
    set(2);
    ck_assert_int_eq(get(), 2);
    ck_assert_str_eq(dead.text, "b");
    set(0);
    ck_assert_int_eq(get(), 0);
    ck_assert_str_eq(dead.text, "bc");
    set(0);
    ck_assert_str_eq(dead.text, "bc");
}

CO_TASK_TEST(setting_the_same_value_again_changes_nothing)
{
    set(1);
    set(1);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(get(), 1);
}

CO_TASK_TEST(value_dies_with_its_task)
{
    co_task *task = co_test_spawn(get_and_set, co_test_number(1));

    co_test_yield();
    ck_assert_str_eq(dead.text, "b"); /* before anybody joins it */
    ck_assert_int_eq(co_test_result(task), 0);
}

CO_TASK_TEST(value_without_a_destructor_just_goes)
{
    co_local_key plain;
    int n = 0;

    ck_assert_int_eq(co_local_key_new(&plain, NULL), 0);
    ck_assert_int_eq(co_local_set(plain, &n), 0);
    ck_assert_int_eq(co_local_set(plain, &plain), 0);
    ck_assert_int_eq(co_local_set(plain, NULL), 0);
    ck_assert_int_eq(co_local_key_delete(plain), 0);
}

static co_local_key chained;
static int chain_length;

static void set_another(void *value)
{
    if (chain_length-- > 0)
        ck_assert_int_eq(co_local_set(chained, value), 0);
}

static int set_chained(void *length)
{
    chain_length = (int)(intptr_t)length;
    return co_local_set(chained, &chained);
}

CO_TASK_TEST(destructor_may_set_values_that_are_destroyed_too)
{
    ck_assert_int_eq(co_local_key_new(&chained, set_another), 0);
    ck_assert_int_eq(
        co_test_result(co_test_spawn(set_chained, co_test_number(3))), 0);
    ck_assert_int_eq(chain_length, -1);
    ck_assert_int_eq(co_local_key_delete(chained), 0);
}

static int set_without_end(void *unused)
{
    (void)unused;
    if (co_local_key_new(&chained, set_another) < 0)
        return -1;
    return co_test_result(co_test_spawn(set_chained, co_test_number(1000)));
}

START_TEST(destructors_that_set_values_without_end_stop_the_program)
{
    ck_assert_ptr_nonnull(
        strstr(co_test_dies(set_without_end, NULL), "without end"));
}
END_TEST

static void look_and_sleep(void *value)
{
    ck_assert_ptr_nonnull(co_self());
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    destroy(value);
}

CO_TASK_TEST(destructor_runs_in_the_task_and_may_suspend)
{
    co_local_key slow;
    co_task *task;

    ck_assert_int_eq(co_local_key_new(&slow, look_and_sleep), 0);
    ck_assert_int_eq(co_local_set(slow, co_test_number(1)), 0);
    task = co_test_spawn(co_test_return, co_test_number(5));
    ck_assert_int_eq(co_local_set(slow, NULL), 0);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_test_result(task), 5);
    ck_assert_str_eq(dead.text, "b");
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(co_local_key_delete(slow), 0);
}

/* ---- what children begin with -------------------------------------------- */

CO_TASK_TEST(child_begins_with_what_its_parent_had_and_neither_sees_the_other)
{
    co_task *child;

    set(1);
    child = co_test_spawn(get_and_set, co_test_number(2));
    set(3); /* after the spawn, before the child runs */
    ck_assert_int_eq(co_test_result(child), 1);
    ck_assert_int_eq(get(), 3);
    ck_assert_str_eq(dead.text, "bc");
}

CO_TASK_TEST(value_lives_until_the_last_task_that_has_it_has_ended)
{
    co_time times[] = {CO_SEC, 2 * CO_SEC};
    co_task *child[2];

    set(1);
    for (int i = 0; i < 2; i++)
        child[i] = co_test_spawn(co_test_sleep, &times[i]);
    set(2);
    ck_assert_int_eq(co_test_result(child[0]), 0);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_test_result(child[1]), 0);
    ck_assert_str_eq(dead.text, "b");
    ck_assert_int_eq(get(), 2);
}

static int spawn_on(void *depth)
{
    intptr_t left = (intptr_t)depth;

    if (left == 0)
        return (int)get();
    return co_test_result(co_test_spawn(spawn_on, co_test_number(left - 1)));
}

CO_TASK_TEST(grandchildren_begin_with_it_too)
{
    set(9);
    ck_assert_int_eq(spawn_on(co_test_number(5)), 9);
    ck_assert_str_eq(dead.text, "");
}

CO_TASK_TEST(other_values_survive_the_copy_that_setting_one_makes)
{
    co_local_key other;
    co_task *child;

    ck_assert_int_eq(co_local_key_new(&other, destroy), 0);
    ck_assert_int_eq(co_local_set(other, co_test_number(5)), 0);
    set(1);
    child = co_test_spawn(get_and_set, co_test_number(2));
    ck_assert_int_eq(co_test_result(child), 1);
    ck_assert_str_eq(dead.text, "c");
    ck_assert_ptr_eq(co_local_get(other), co_test_number(5));
    ck_assert_int_eq(co_local_set(other, NULL), 0);
    ck_assert_str_eq(dead.text, "cf");
    ck_assert_int_eq(co_local_key_delete(other), 0);
}

CO_TASK_TEST(spawn_and_replacing_allocate_nothing)
{
    co_task *child;

    set(1);
    ck_assert_int_eq(co_test_result(co_test_spawn(get_it, NULL)), 1);
    for (int i = 0; i < 200; i++) /* stacks, to begin with */
        ck_assert_int_eq(co_test_result(co_test_spawn(get_it, NULL)), 1);
    co__fault_after(0);
    for (int i = 0; i < 20; i++) {
        child = co_test_spawn(get_it, NULL);
        ck_assert_int_eq(co_test_result(child), i % 5 + 1);
        set((i + 1) % 5 + 1);
    }
    ck_assert_uint_eq(co__fault_after(0), 0);
}

static int get_in_generator(co_gen *gen, void *unused)
{
    int r = co_gen_yield(gen, co_local_get(key), NULL);

    (void)unused;
    if (r < 0)
        return r;
    set(4);
    return co_gen_yield(gen, co_local_get(key), NULL);
}

CO_TASK_TEST(generator_begins_with_what_its_maker_had)
{
    co_gen *gen;
    void *value = NULL;

    set(1);
    gen = co_gen_new(get_in_generator, NULL);
    set(2);
    ck_assert_int_eq(co_gen_next(gen, &value), 1);
    ck_assert_int_eq((intptr_t)value, 1);
    ck_assert_int_eq(co_gen_next(gen, &value), 1);
    ck_assert_int_eq((intptr_t)value, 4);
    ck_assert_int_eq(get(), 2);
    co_gen_free(gen);
    ck_assert_str_eq(dead.text, "be");
}

static int sleeps_in_destructor(co_gen *gen, void *slow)
{
    ck_assert_int_eq(co_local_set(*(co_local_key *)slow, co_test_number(1)), 0);
    return co_gen_yield(gen, NULL, NULL);
}

static int ask_for_two(void *gen)
{
    int r = co_gen_next(gen, NULL);

    ck_assert_int_eq(r, 1);
    return co_gen_next(gen, NULL);
}

CO_TASK_TEST(generator_whose_values_die_slowly_ends_all_the_same)
{
    co_local_key slow;
    co_gen *gen;
    co_task *task;

    ck_assert_int_eq(co_local_key_new(&slow, look_and_sleep), 0);
    gen = co_gen_new(sleeps_in_destructor, &slow);
    task = co_test_spawn(ask_for_two, gen);
    co_test_yield();
    co_test_yield();
    ck_assert_int_eq(co_gen_next(gen, NULL), 0); /* it has returned */
    ck_assert_int_eq(co_cancel(task), 1);
    co_gen_free(gen);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(co_local_key_delete(slow), 0);
}

/* ---- swapping and resetting ---------------------------------------------- */

CO_TASK_TEST(reset_brings_the_old_value_back)
{
    co_local_token outer, inner;

    set(1);
    ck_assert_int_eq(co_local_swap(key, co_test_number(2), &outer), 0);
    ck_assert_int_eq(co_local_swap(key, NULL, &inner), 0);
    ck_assert_int_eq(get(), 0);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_local_reset(&inner), 0);
    ck_assert_int_eq(get(), 2);
    ck_assert_int_eq(co_local_reset(&outer), 0);
    ck_assert_int_eq(get(), 1);
    ck_assert_str_eq(dead.text, "c");
    ck_assert_int_eq(co_local_reset(&outer), -EINVAL);
    set(0);
    ck_assert_str_eq(dead.text, "cb");
}

CO_TASK_TEST(reset_to_no_value_takes_it_away)
{
    co_local_token token;

    ck_assert_int_eq(co_local_swap(key, co_test_number(1), &token), 0);
    ck_assert_int_eq(get(), 1);
    ck_assert_int_eq(co_local_reset(&token), 0);
    ck_assert_int_eq(get(), 0);
    ck_assert_str_eq(dead.text, "b");
}

CO_TASK_TEST(swap_of_the_same_value_destroys_it_once)
{
    co_local_token token;

    set(1);
    ck_assert_int_eq(co_local_swap(key, co_test_number(1), &token), 0);
    set(2);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_local_reset(&token), 0);
    ck_assert_int_eq(get(), 1);
    ck_assert_str_eq(dead.text, "c");
    set(0);
    ck_assert_str_eq(dead.text, "cb");
}

static co_local_token stray;

static int reset_stray(void *unused)
{
    (void)unused;
    return co_local_reset(&stray);
}

static void *reset_in_thread(void *unused)
{
    ck_assert_int_eq(reset_stray(unused), -EPERM);
    return NULL;
}

CO_TASK_TEST(token_of_another_task_is_eperm)
{
    pthread_t thread;

    set(1);
    ck_assert_int_eq(co_local_swap(key, co_test_number(2), &stray), 0);
    ck_assert_int_eq(co_test_result(co_test_spawn(reset_stray, NULL)), -EPERM);
    ck_assert_int_eq(pthread_create(&thread, NULL, reset_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(get(), 2);
    ck_assert_int_eq(co_local_reset(&stray), 0);
    ck_assert_int_eq(get(), 1);
}

CO_TASK_TEST(child_keeps_the_value_that_its_parent_resets)
{
    co_local_token token;
    co_task *child;

    set(1);
    ck_assert_int_eq(co_local_swap(key, co_test_number(2), &token), 0);
    child = co_test_spawn(get_it, NULL);
    ck_assert_int_eq(co_local_reset(&token), 0);
    ck_assert_int_eq(get(), 1);
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_test_result(child), 2);
    ck_assert_str_eq(dead.text, "c");
}

/* ---- memory -------------------------------------------------------------- */

CO_TASK_TEST(no_memory_is_enomem_and_changes_nothing)
{
    co_time second = CO_SEC;
    co_local_token token;
    co_task *child;
    unsigned n;

    for (n = 1;; n++) {
        int r;

        co__fault_after(n);
        r = co_local_set(key, co_test_number(1));
        co__fault_after(0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_int_eq(get(), 0);
    }
    ck_assert_uint_eq(n, 3); /* the value, and the array */
    child = co_test_spawn(co_test_sleep, &second); /* shares the array */
    for (n = 1; n <= 2; n++) {
        co__fault_after(n);
        ck_assert_int_eq(co_local_set(key, co_test_number(2)), -ENOMEM);
        co__fault_after(n);
        ck_assert_int_eq(co_local_swap(key, co_test_number(2), &token),
                         -ENOMEM);
        co__fault_after(0);
        ck_assert_int_eq(get(), 1);
    }
    ck_assert_str_eq(dead.text, "");
    ck_assert_int_eq(co_local_swap(key, co_test_number(2), &token), 0);
    ck_assert_int_eq(co_test_result(child), 0);
    child = co_test_spawn(co_test_sleep, &second);
    co__fault_after(1);
    ck_assert_int_eq(co_local_reset(&token), -ENOMEM);
    co__fault_after(0);
    ck_assert_int_eq(get(), 2);
    ck_assert_int_eq(co_local_reset(&token), 0);
    ck_assert_int_eq(get(), 1);
    ck_assert_int_eq(co_test_result(child), 0);
    ck_assert_str_eq(dead.text, "c");
}

/* ---- threads, callbacks, loops ------------------------------------------- */

START_TEST(thread_outside_tasks_has_values_that_co_run_begins_with)
{
    set(1);
    ck_assert_int_eq(get(), 1);
    ck_assert_int_eq(co_run(get_and_set, co_test_number(2)), 1);
    ck_assert_int_eq(get(), 1);
    ck_assert_str_eq(dead.text, "c");
    set(3);
    ck_assert_str_eq(dead.text, "cb");
    set(0);
    ck_assert_str_eq(dead.text, "cbd");
}
END_TEST

static void *set_in_thread(void *unused)
{
    (void)unused;
    ck_assert_int_eq(get(), 0);
    set(7);
    ck_assert_int_eq(co_run(get_it, NULL), 7);
    return NULL;
}

START_TEST(values_of_a_thread_die_with_it_and_no_other_sees_them)
{
    pthread_t thread;

    set(1);
    ck_assert_int_eq(pthread_create(&thread, NULL, set_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_str_eq(dead.text, "h");
    ck_assert_int_eq(get(), 1);
    set(0);
}
END_TEST

static int callback_saw[2];

static void set_in_callback(void *which)
{
    callback_saw[(intptr_t)which] = get_and_set(co_test_number(5));
}

static int call_back_twice(void *unused)
{
    co_call call[2] = {{.fn = set_in_callback, .arg = co_test_number(0)},
                       {.fn = set_in_callback, .arg = co_test_number(1)}};

    (void)unused;
    set(1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call[i]),
                         0);
    ck_assert_int_eq(co_sleep(CO_SEC), 0);
    return (int)get();
}

START_TEST(callbacks_of_a_loop_have_values_together)
{
    ck_assert_int_eq(co_run(call_back_twice, NULL), 1);
    ck_assert_int_eq(callback_saw[0], 0);
    ck_assert_int_eq(callback_saw[1], 5);
    ck_assert_str_eq(dead.text, "bf");
}
END_TEST

static int set_and_wait(void *unused)
{
    set(6);
    return co_test_sleep_for_ever(unused);
}

static int leave_one(void *unused)
{
    (void)unused;
    ck_assert_int_eq(co_detach(co_test_spawn(set_and_wait, NULL)), 0);
    co_test_yield();
    return 0;
}

START_TEST(task_that_is_left_at_the_end_of_its_loop_gives_its_values_up)
{
    ck_assert_int_eq(co_run(leave_one, NULL), 0);
    ck_assert_str_eq(dead.text, "g");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync.local");
    TCase *tc;

    tc = tcase_create("keys");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, no_key_and_deleted_keys_are_einval);
    tcase_add_test(tc, keys_do_not_see_each_other);
    tcase_add_test(tc, new_key_does_not_see_the_values_of_a_deleted_one);
    tcase_add_test(tc, value_of_a_deleted_key_is_destroyed_with_its_task);
    tcase_add_test(tc, too_many_keys_are_eagain);
    tcase_add_test(tc, threads_make_keys_at_the_same_time);
    suite_add_tcase(s, tc);

    tc = tcase_create("values");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, value_is_what_was_set);
    tcase_add_test(tc, setting_the_same_value_again_changes_nothing);
    tcase_add_test(tc, value_dies_with_its_task);
    tcase_add_test(tc, value_without_a_destructor_just_goes);
    tcase_add_test(tc, destructor_may_set_values_that_are_destroyed_too);
    tcase_add_test(tc,
                   destructors_that_set_values_without_end_stop_the_program);
    tcase_add_test(tc, destructor_runs_in_the_task_and_may_suspend);
    suite_add_tcase(s, tc);

    tc = tcase_create("children");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(
        tc, child_begins_with_what_its_parent_had_and_neither_sees_the_other);
    tcase_add_test(tc, value_lives_until_the_last_task_that_has_it_has_ended);
    tcase_add_test(tc, grandchildren_begin_with_it_too);
    tcase_add_test(tc, other_values_survive_the_copy_that_setting_one_makes);
    tcase_add_test(tc, spawn_and_replacing_allocate_nothing);
    tcase_add_test(tc, generator_begins_with_what_its_maker_had);
    tcase_add_test(tc, generator_whose_values_die_slowly_ends_all_the_same);
    suite_add_tcase(s, tc);

    tc = tcase_create("reset");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, reset_brings_the_old_value_back);
    tcase_add_test(tc, reset_to_no_value_takes_it_away);
    tcase_add_test(tc, swap_of_the_same_value_destroys_it_once);
    tcase_add_test(tc, token_of_another_task_is_eperm);
    tcase_add_test(tc, child_keeps_the_value_that_its_parent_resets);
    suite_add_tcase(s, tc);

    tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, no_memory_is_enomem_and_changes_nothing);
    suite_add_tcase(s, tc);

    tc = tcase_create("elsewhere");
    tcase_add_checked_fixture(tc, setup, teardown);
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, thread_outside_tasks_has_values_that_co_run_begins_with);
    tcase_add_test(tc, values_of_a_thread_die_with_it_and_no_other_sees_them);
    tcase_add_test(tc, callbacks_of_a_loop_have_values_together);
    tcase_add_test(
        tc, task_that_is_left_at_the_end_of_its_loop_gives_its_values_up);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
