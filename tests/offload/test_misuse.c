/* SPDX-License-Identifier: MIT */
/* What a program must not do with pools: it is stopped, by name. */
#include <coppice/procpool.h>

#include "offload_support.h"
#include "support/check_main.h"

#include <signal.h>

static int wait_for_ever(const void *in, size_t in_bytes, void **out,
                         size_t *out_bytes)
{
    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return pause();
}

static int call(void *pool)
{
    return co_procpool_call(pool, 0, NULL, 0, NULL, NULL);
}

CO_TASK_TEST(a_process_pool_with_a_call_under_way_cannot_be_freed)
{
    static const co_procpool_fn functions[] = {wait_for_ever};
    co_procpool_options options = {
        .size = sizeof(options), .functions = functions, .function_count = 1};
    co_procpool *pool = co_procpool_new(&options);

    co_test_spawn(call, pool);
    co_test_yield();
    co_procpool_free(pool);
}

static int shut_down(void *pool)
{
    return co_executor_shutdown(pool, 1);
}

CO_TASK_TEST(a_pool_whose_end_a_task_waits_for_cannot_be_freed)
{
    struct gate gate;

    gate_init(&gate, pool_of(1), 1);
    (void)gate_spawn_begun(&gate);
    co_test_spawn(shut_down, gate.executor);
    co_test_yield();
    co_executor_free(gate.executor);
}

static Suite *suite(void)
{
    Suite *s = suite_create("misuse");
    TCase *tc = tcase_create("misuse");

    tcase_add_test_raise_signal(
        tc, a_process_pool_with_a_call_under_way_cannot_be_freed, SIGABRT);
    tcase_add_test_raise_signal(
        tc, a_pool_whose_end_a_task_waits_for_cannot_be_freed, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN_FORKED(suite)
