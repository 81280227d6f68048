/* SPDX-License-Identifier: MIT */
/* co_offload: a function that a thread runs while a task waits. */
#include <coppice/error.h>
#include <coppice/threadpool.h>

#include "offload/offload_support.h"
#include "support/check_main.h"

/* ---- one call ------------------------------------------------------------ */

static int which_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 7;
}

CO_TASK_TEST(the_function_runs_on_another_thread)
{
    pthread_t thread = pthread_self();

    ck_assert_int_eq(co_offload(which_thread, &thread), 7);
    ck_assert(!pthread_equal(thread, pthread_self()));
}

static int give_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

CO_TASK_TEST(the_functions_error_is_returned)
{
    ck_assert_int_eq(co_offload(give_eio, NULL), -EIO);
}

static Suite *suite(void)
{
    Suite *s = suite_create("offload");
    TCase *tc = tcase_create("offload");

    tcase_add_test(tc, the_function_runs_on_another_thread);
    tcase_add_test(tc, the_functions_error_is_returned);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
