/* SPDX-License-Identifier: MIT */
/* OpenSSL's error queue, a task's own. "another task's error made
 * SSL_get_error return SYSCALL instead of WANT_READ; own errors lost". The
 * library is opened at run time: where there is none, nothing is tested. */
#include "hook/hook_support.h"

#include "core/keep.h"

#include <dlfcn.h>

static struct {
    void (*fresh)(void);
    void (*set_debug)(const char *file, int line, const char *function);
    void (*set_error)(int library, int reason, const char *format, ...);
    unsigned long (*get)(const char **file, int *line, const char **function,
                         const char **data, int *flags);
    unsigned long (*peek)(void);
    void (*clear)(void);
} ssl;

static int find_openssl(void)
{
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);

    if (!library)
        return 0;
    *(void **)&ssl.fresh = dlsym(library, "ERR_new");
    *(void **)&ssl.set_debug = dlsym(library, "ERR_set_debug");
    *(void **)&ssl.set_error = dlsym(library, "ERR_set_error");
    *(void **)&ssl.get = dlsym(library, "ERR_get_error_all");
    *(void **)&ssl.peek = dlsym(library, "ERR_peek_error");
    *(void **)&ssl.clear = dlsym(library, "ERR_clear_error");
    return ssl.fresh != NULL;
}

static void raise_error(int reason, const char *text)
{
    ssl.fresh();
    ssl.set_debug("somewhere.c", 100 + reason, "some_function");
    if (text)
        ssl.set_error(20, reason, "%s", text);
    else
        ssl.set_error(20, reason, NULL);
}

/* Whether the oldest error is that one, in all its parts. */
static int is_error(int reason, const char *text)
{
    const char *file, *function, *data;
    int line, flags;
    unsigned long code = ssl.get(&file, &line, &function, &data, &flags);

    return (code >> 23 & 0xff) == 20 && (int)(code & 0x7fffff) == reason &&
           strcmp(file, "somewhere.c") == 0 && line == 100 + reason &&
           strcmp(function, "some_function") == 0 &&
           strcmp(data, text ? text : "") == 0;
}

static int fail_and_wait(void *number)
{
    int own = co_test_return(number);
    char text[16];

    if (ssl.peek())
        return -1;
    snprintf(text, sizeof(text), "of %d", own);
    raise_error(own, text);
    raise_error(own + 1, NULL);
    usleep(1000);
    co_yield_now();
    if (!is_error(own, text) || !is_error(own + 1, NULL))
        return -2;
    return ssl.peek() ? -3 : 0;
}

CO_TASK_TEST(each_task_has_its_own_errors)
{
    co_task *tasks[10];

    if (!ssl.fresh)
        return;
    for (int i = 0; i < 10; i++)
        tasks[i] = co_test_spawn(fail_and_wait, co_test_number(10 * (i + 1)));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ck_assert_uint_eq(ssl.peek(), 0);
}

static int fail_and_end(void *unused)
{
    (void)unused;
    raise_error(5, "left behind");
    return 0;
}

static int errors_seen(void *unused)
{
    (void)unused;
    return ssl.peek() != 0;
}

CO_TASK_TEST(errors_left_behind_are_nobodys)
{
    if (!ssl.fresh)
        return;
    ck_assert_int_eq(co_test_result(co_test_spawn(fail_and_end, NULL)), 0);
    ck_assert_int_eq(co_test_result(co_test_spawn(errors_seen, NULL)), 0);
    ck_assert_uint_eq(ssl.peek(), 0);
}

/* Of a system's error the code is an errno. */
CO_TASK_TEST(a_systems_error_comes_back_as_one)
{
    unsigned long code;

    if (!ssl.fresh)
        return;
    ssl.fresh();
    ssl.set_debug("somewhere.c", 1, "some_function");
    ssl.set_error(2, ECONNRESET, "read");
    code = ssl.peek();
    usleep(100);
    ck_assert_uint_eq(ssl.peek(), code);
    ssl.clear();
}

/* The queue holds so many; the last ones are kept. */
CO_TASK_TEST(a_full_queue_comes_back_in_order)
{
    if (!ssl.fresh)
        return;
    for (int i = 1; i <= 15; i++)
        raise_error(i, "x");
    usleep(100);
    for (int i = 1; i <= 15; i++)
        ck_assert_int_eq(is_error(i, "x"), 1);
    ck_assert_uint_eq(ssl.peek(), 0);
}

/* ---- a keeper's own calls ------------------------------------------------ */

static int keeper_calls;

static void call_what_waits(void **unused)
{
    (void)unused;
    keeper_calls++;
    usleep(1);
}

static void call_at_the_end(void)
{
    call_what_waits(NULL);
}

static int wait_once(void *unused)
{
    (void)unused;
    return usleep(1);
}

/* It is called amid a switch, which would lead to another. */
CO_TASK_TEST(a_keeper_that_waits_keeps_the_thread)
{
    static const struct co__keeper mine = {call_what_waits, call_what_waits,
                                           call_at_the_end};
    const struct co__keeper *before = co__keeper;
    co_task *task;

    co__keep(&mine);
    keeper_calls = 0;
    task = co_test_spawn(wait_once, NULL);
    while (task->state != CO__TASK_DONE)
        co_test_yield();
    ck_assert_int_gt(keeper_calls, 2);
    if (before)
        co__keep(before);
    ck_assert_int_eq(co_test_result(task), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.keep");
    TCase *tc;

    if (!find_openssl())
        printf("there is no OpenSSL 3 to test\n");
    tc = hook_case(s, "openssl");
    tcase_add_test(tc, each_task_has_its_own_errors);
    tcase_add_test(tc, errors_left_behind_are_nobodys);
    tcase_add_test(tc, a_systems_error_comes_back_as_one);
    tcase_add_test(tc, a_full_queue_comes_back_in_order);
    tcase_add_test(tc, a_keeper_that_waits_keeps_the_thread);
    return s;
}

CO_TEST_MAIN(suite)
