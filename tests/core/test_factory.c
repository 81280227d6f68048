/* SPDX-License-Identifier: MIT */
/* Which loop a thread has; who makes loops and tasks; which loops there are. */
#include <coppice/call.h>
#include <coppice/factory.h>
#include <coppice/report.h>

#include "base/alloc.h"
#include "core/loop.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

/* ---- which loops there are ----------------------------------------------- */

static int ask_in_a_run(void *arg)
{
    co_loop *loop = *(co_loop **)arg;

    ck_assert_int_eq(co_loop_is_running(loop), 1);
    ck_assert_int_eq(co_loop_is_closed(loop), 0);
    return 0;
}

START_TEST(a_loop_is_known_from_its_making_to_its_end)
{
    co_loop *loop = co_loop_new(NULL);
    co_loop *other = co_loop_new(NULL);

    ck_assert_int_eq(co_loop_is_closed(loop), 0);
    ck_assert_int_eq(co_loop_is_running(loop), 0);
    ck_assert_int_eq(co_loop_run_until(loop, ask_in_a_run, &loop, NULL), 0);
    ck_assert_int_eq(co_loop_is_running(loop), 0);
    co_loop_free(loop);
    ck_assert_int_eq(co_loop_is_closed(loop), 1);
    ck_assert_int_eq(co_loop_is_running(loop), 0);
    ck_assert_int_eq(co_loop_is_closed(other), 0);
    co_loop_free(other);
    ck_assert_int_eq(co_loop_is_closed(other), 1);
}
END_TEST

START_TEST(what_is_no_loop_is_closed)
{
    int number = 0;

    ck_assert_int_eq(co_loop_is_closed(NULL), 1);
    ck_assert_int_eq(co_loop_is_running(NULL), 0);
    ck_assert_int_eq(co_loop_is_closed((co_loop *)(void *)&number), 1);
    ck_assert_int_eq(co_loop_is_running((co_loop *)(void *)&number), 0);
    ck_assert_int_eq(co_loop_debug(NULL), 0);
    ck_assert_int_eq(co_loop_set_debug(NULL, 1), -EINVAL);
}
END_TEST

static int keep_address(void *arg)
{
    *(co_loop **)arg = co_loop_running();
    return 0;
}

START_TEST(the_loop_of_a_run_is_closed_after_it)
{
    co_loop *loop = NULL;

    ck_assert_int_eq(co_run(keep_address, &loop), 0);
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(co_loop_is_closed(loop), 1);
}
END_TEST

static void *look(void *arg)
{
    return co_test_number(co_loop_is_running(arg) * 2 + co_loop_is_closed(arg));
}

CO_TASK_TEST(any_thread_may_ask)
{
    pthread_t thread;
    void *seen;

    ck_assert_int_eq(pthread_create(&thread, NULL, look, co_loop_running()), 0);
    pthread_join(thread, &seen);
    ck_assert_int_eq((intptr_t)seen, 2);
}

static int fork_and_ask(void *arg)
{
    co_loop *loop = co_loop_running();
    int status = -1;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        _exit(co_loop_is_closed(loop) && !co_loop_is_running(loop) &&
                      co_loop_get() != loop
                  ? 7
                  : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_int_eq(co_loop_is_closed(loop), 0);
    return 0;
}

START_TEST(a_forked_child_has_left_its_loop)
{
    ck_assert_int_eq(co_run(fork_and_ask, NULL), 0);
}
END_TEST

/* ---- a thread's loop ----------------------------------------------------- */

static int get_in_a_run(void *arg)
{
    co_loop **loops = arg;

    loops[0] = co_loop_get();
    loops[1] = co_loop_running();
    return 0;
}

START_TEST(a_thread_gets_one_loop_until_it_is_freed)
{
    co_loop *loops[2];
    co_loop *loop = co_loop_get();

    ck_assert_ptr_nonnull(loop);
    ck_assert_ptr_eq(co_loop_get(), loop);
    ck_assert_ptr_null(co_loop_running());
    ck_assert_int_eq(co_loop_run_until(loop, get_in_a_run, loops, NULL), 0);
    ck_assert_ptr_eq(loops[0], loop);
    ck_assert_int_eq(co_run(get_in_a_run, loops), 0);
    ck_assert_ptr_ne(loops[0], loop); /* the one that runs comes first */
    ck_assert_ptr_eq(loops[0], loops[1]);
    ck_assert_ptr_eq(co_loop_get(), loop);
    co_loop_free(loop);
    loop = co_loop_get();
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(co_loop_is_closed(loop), 0);
    co_loop_free(loop);
    ck_assert_int_eq(co_loop_set(NULL), 0);
}
END_TEST

START_TEST(the_loop_that_was_set_is_got)
{
    co_loop *a = co_loop_new(NULL), *b = co_loop_new(NULL);

    ck_assert_int_eq(co_loop_set(a), 0);
    ck_assert_ptr_eq(co_loop_get(), a);
    ck_assert_int_eq(co_loop_set(b), 0);
    ck_assert_ptr_eq(co_loop_get(), b);
    co_loop_free(b);
    ck_assert_int_eq(co_loop_set(b), -EINVAL);
    ck_assert_int_eq(co_loop_set(a), 0);
    ck_assert_int_eq(co_loop_set(NULL), 0);
    b = co_loop_get();
    ck_assert_ptr_ne(b, a);
    co_loop_free(a);
    co_loop_free(b);
    ck_assert_int_eq(co_loop_set(NULL), 0);
}
END_TEST

START_TEST(another_loop_at_the_same_address_is_not_the_one_that_was_set)
{
    co_loop *loop = co_loop_new(NULL), *next, *got;

    ck_assert_int_eq(co_loop_set(loop), 0);
    co_loop_free(loop);
    next = co_loop_new(NULL); /* mostly there */
    got = co_loop_get();
    ck_assert_ptr_nonnull(got);
    ck_assert_ptr_ne(got, next);
    co_loop_free(next);
    co_loop_free(got);
}
END_TEST

static void *get_and_free(void *other)
{
    co_loop *loop = co_loop_get();
    int differs = loop && loop != other;

    co_loop_free(loop);
    return co_test_number(differs);
}

START_TEST(each_thread_has_its_own)
{
    co_loop *loop = co_loop_get();
    pthread_t thread;
    void *differs;

    ck_assert_int_eq(pthread_create(&thread, NULL, get_and_free, loop), 0);
    pthread_join(thread, &differs);
    ck_assert_int_eq((intptr_t)differs, 1);
    co_loop_free(loop);
}
END_TEST

/* ---- the loop factory ---------------------------------------------------- */

struct factory {
    int calls;
    int with_options;
    int error; /* fail with it */
    co_loop *last;
};

static co_loop *make_loop(const co_loop_options *options, void *arg)
{
    struct factory *f = arg;

    f->calls++;
    f->with_options += options != NULL;
    if (f->error) {
        errno = f->error;
        return NULL;
    }
    f->last = co_loop_new(options);
    return f->last;
}

static void no_factory(void)
{
    co_loop_set_factory(NULL, NULL);
}

static int is_from(void *arg)
{
    const struct factory *f = arg;

    return co_loop_running() == f->last ? 7 : 1;
}

START_TEST(runs_get_their_loops_from_the_factory)
{
    struct factory f = {0};
    co_loop_options options = {.size = sizeof(options)};
    int result = 0;

    co_loop_set_factory(make_loop, &f);
    ck_assert_int_eq(co_run(is_from, &f), 7);
    ck_assert_int_eq(f.calls, 1);
    ck_assert_int_eq(f.with_options, 0);
    ck_assert_int_eq(co_loop_is_closed(f.last), 1); /* freed by the run */
    ck_assert_int_eq(co_run_with(&options, is_from, &f, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(f.calls, 2);
    ck_assert_int_eq(f.with_options, 1);
    co_loop_free(co_loop_get());
    ck_assert_int_eq(f.calls, 3);
    co_loop_free(co_loop_new(NULL)); /* says what it wants */
    ck_assert_int_eq(f.calls, 3);
    co_loop_set_factory(NULL, NULL);
    ck_assert_int_eq(co_run(co_test_return, co_test_number(3)), 3);
    ck_assert_int_eq(f.calls, 3);
}
END_TEST

START_TEST(what_the_factory_cannot_make_is_an_error_of_the_run)
{
    struct factory f = {.error = ENFILE};
    int result = 12345;

    co_loop_set_factory(make_loop, &f);
    ck_assert_int_eq(co_run(is_from, &f), -ENFILE);
    ck_assert_int_eq(co_run_with(NULL, is_from, &f, &result), -ENFILE);
    ck_assert_int_eq(result, 12345);
    errno = 0;
    ck_assert_ptr_null(co_loop_get());
    ck_assert_int_eq(errno, ENFILE);
}
END_TEST

/* ---- the task factory ---------------------------------------------------- */

struct tasks {
    int calls;
    const char *site;
    const char *name;
    int refuse;
    int eager;
    co_task_fn fn;
};

static int wrapped(void *arg)
{
    return 100 + co_test_return(arg);
}

static co_task *make_task(const char *site, const co_spawn_options *options,
                          co_task_fn fn, void *arg, void *data)
{
    struct tasks *t = data;

    t->calls++;
    t->site = site;
    t->name = options ? options->name : NULL;
    t->fn = fn;
    if (t->refuse) {
        errno = t->refuse;
        return NULL;
    }
    if (fn == co_test_return && !t->eager)
        fn = wrapped;
    return co_spawn_with_at(site, t->eager ? CO_SPAWN_EAGER : options, fn, arg);
}

static void use_factory(struct tasks *t)
{
    ck_assert_int_eq(co_loop_set_task_factory(co_loop_running(), make_task, t),
                     0);
}

CO_TASK_TEST(tasks_come_from_the_factory)
{
    struct tasks t = {0};
    co_spawn_options options = {.size = sizeof(options), .name = "bob"};
    co_task *task;
    char site[100];

    use_factory(&t);
    snprintf(site, sizeof(site), "%s:%d", __FILE__, __LINE__ + 1);
    task = co_spawn(co_test_return, co_test_number(7));
    ck_assert_int_eq(t.calls, 1);
    ck_assert_ptr_null(t.name);
    ck_assert_str_eq(t.site, site);
    ck_assert_str_eq(co_task_site(task), site);
    ck_assert(t.fn == co_test_return);
    ck_assert_int_eq(co_test_result(task), 107);
    task = co_spawn_with(&options, co_test_return, co_test_number(8));
    ck_assert_int_eq(t.calls, 2);
    ck_assert_str_eq(t.name, "bob");
    ck_assert_str_eq(co_task_name(task), "bob");
    ck_assert_int_eq(co_test_result(task), 108);
    ck_assert_int_eq(co_loop_set_task_factory(co_loop_running(), NULL, NULL),
                     0);
    ck_assert_int_eq(co_test_result(co_spawn(co_test_return, NULL)), 0);
    ck_assert_int_eq(t.calls, 2);
}

CO_TASK_TEST(what_the_factory_refuses_is_not_spawned)
{
    struct tasks t = {.refuse = ENOTSUP};

    use_factory(&t);
    errno = 0;
    ck_assert_ptr_null(co_spawn(co_test_return, NULL));
    ck_assert_int_eq(errno, ENOTSUP);
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
}

CO_TASK_TEST(a_factory_is_not_asked_for_nonsense)
{
    struct tasks t = {0};

    use_factory(&t);
    errno = 0;
    ck_assert_ptr_null(co_spawn(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(t.calls, 0);
    ck_assert_int_eq(co_loop_set_task_factory(NULL, make_task, &t), -EINVAL);
}

static int spawn_one(void *arg)
{
    return co_test_result(
        co_spawn(arg ? co_test_return : spawn_one, co_test_number(1)));
}

CO_TASK_TEST(what_an_eager_task_spawns_comes_from_the_factory_too)
{
    struct tasks t = {.eager = 1};
    co_task *task;

    use_factory(&t);
    /* Spawns a second one, and that a third, all inside of the first call. */
    task = co_spawn(spawn_one, NULL);
    ck_assert_int_eq(t.calls, 3);
    ck_assert_int_eq(co_test_result(task), 1);
    ck_assert_ptr_null(co_loop_running()->in_factory);
}

static int spawn_at_the_end(void *arg)
{
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    errno = 0;
    ck_assert_ptr_null(co_spawn(co_test_return, arg));
    ck_assert_int_eq(errno, ESHUTDOWN);
    return 0;
}

static int leave(void *arg)
{
    ck_assert_int_eq(co_detach(co_spawn(spawn_at_the_end, NULL)), 0);
    co_test_yield();
    use_factory(arg);
    return 0;
}

START_TEST(an_ending_loop_does_not_ask_its_factory)
{
    struct tasks t = {0};

    ck_assert_int_eq(co_run(leave, &t), 0);
    ck_assert_int_eq(t.calls, 0);
}
END_TEST

/* ---- nested runs, and wrong threads -------------------------------------- */

CO_TASK_TEST(a_nested_run_is_refused)
{
    struct factory f = {0};
    co_loop *other = co_loop_new(NULL);

    co_loop_set_factory(make_loop, &f);
    ck_assert_int_eq(co_run(co_test_return, NULL), -EDEADLK);
    ck_assert_int_eq(co_run_with(NULL, co_test_return, NULL, NULL), -EDEADLK);
    ck_assert_int_eq(co_loop_run_until(other, co_test_return, NULL, NULL),
                     -EDEADLK);
    ck_assert_int_eq(co_loop_run_forever(other), -EDEADLK);
    ck_assert_int_eq(co_loop_run_forever(co_loop_running()), -EDEADLK);
    ck_assert_int_eq(f.calls, 0);
    co_loop_free(other);
}

struct misuse {
    co_task *task;
    char messages[400];
    int reports;
};

static void note(co_loop *loop, const co_report *report, void *arg)
{
    struct misuse *m = arg;

    (void)loop;
    m->reports++;
    ck_assert_int_eq(report->error, -EPERM);
    strncat(m->messages, report->message,
            sizeof(m->messages) - strlen(m->messages) - 1);
    strncat(m->messages, "\n", sizeof(m->messages) - strlen(m->messages) - 1);
}

static int use_anothers_task(void *arg)
{
    struct misuse *m = arg;

    co_loop_set_error_handler(co_loop_running(), note, m);
    ck_assert_int_eq(co_join(m->task, NULL), -EPERM);
    ck_assert_int_eq(co_detach(m->task), -EPERM);
    ck_assert_int_eq(co_cancel(m->task), -EPERM);
    ck_assert_int_eq(co_uncancel(m->task), -EPERM);
    return 0;
}

static void *run_misuse(void *arg)
{
    ck_assert_int_eq(co_run(use_anothers_task, arg), 0);
    return NULL;
}

static void misuse_from_a_thread(struct misuse *m)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_misuse, m), 0);
    pthread_join(thread, NULL);
}

CO_TASK_TEST(in_debug_mode_a_use_on_the_wrong_thread_is_reported_there)
{
    struct misuse m = {.task = co_self()};

    misuse_from_a_thread(&m);
    ck_assert_int_eq(m.reports, 0);
    ck_assert_int_eq(co_loop_set_debug(co_loop_running(), 1), 0);
    misuse_from_a_thread(&m);
    ck_assert_int_eq(m.reports, 4);
    ck_assert_ptr_nonnull(strstr(m.messages, "co_join was called on a thread"));
    ck_assert_ptr_nonnull(strstr(m.messages, "co_detach was called on"));
    ck_assert_ptr_nonnull(strstr(m.messages, "co_cancel was called on"));
    ck_assert_ptr_nonnull(strstr(m.messages, "co_uncancel was called on"));
}

/* ---- options ------------------------------------------------------------- */

START_TEST(bad_options_are_refused)
{
    const co_loop_options bad[] = {
        {.size = sizeof(bad[0]), .slow_ns = -1},
        {.size = sizeof(bad[0]), .min_wait_ns = -1},
        {.size = sizeof(bad[0]), .min_wait_ns = CO_SEC + 1},
    };

    for (size_t i = 0; i < CO_ARRAY_LEN(bad); i++) {
        errno = 0;
        ck_assert_ptr_null(co_loop_new(&bad[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

static int is_debug(void *arg)
{
    (void)arg;
    return co_loop_debug(co_loop_running());
}

START_TEST(debug_mode_comes_from_the_options_or_the_environment)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    int result = -1;

    ck_assert_int_eq(unsetenv("COPPICE_DEBUG"), 0);
    ck_assert_int_eq(co_run(is_debug, NULL), 0);
    ck_assert_int_eq(co_run_with(&options, is_debug, NULL, &result), 0);
    ck_assert_int_eq(result, 1);
    ck_assert_int_eq(setenv("COPPICE_DEBUG", "1", 1), 0);
    ck_assert_int_eq(co_run(is_debug, NULL), 1);
    ck_assert_int_eq(setenv("COPPICE_DEBUG", "0", 1), 0);
    ck_assert_int_eq(co_run(is_debug, NULL), 0);
    ck_assert_int_eq(unsetenv("COPPICE_DEBUG"), 0);
}
END_TEST

/* -------------------------------------------------------------------------- */

static Suite *suite(void)
{
    Suite *s = suite_create("factory");
    TCase *tc = tcase_create("factory");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, NULL, no_factory);
    tcase_add_test(tc, a_loop_is_known_from_its_making_to_its_end);
    tcase_add_test(tc, what_is_no_loop_is_closed);
    tcase_add_test(tc, the_loop_of_a_run_is_closed_after_it);
    tcase_add_test(tc, any_thread_may_ask);
    tcase_add_test(tc, a_forked_child_has_left_its_loop);
    tcase_add_test(tc, a_thread_gets_one_loop_until_it_is_freed);
    tcase_add_test(tc, the_loop_that_was_set_is_got);
    tcase_add_test(
        tc, another_loop_at_the_same_address_is_not_the_one_that_was_set);
    tcase_add_test(tc, each_thread_has_its_own);
    tcase_add_test(tc, runs_get_their_loops_from_the_factory);
    tcase_add_test(tc, what_the_factory_cannot_make_is_an_error_of_the_run);
    tcase_add_test(tc, tasks_come_from_the_factory);
    tcase_add_test(tc, what_the_factory_refuses_is_not_spawned);
    tcase_add_test(tc, a_factory_is_not_asked_for_nonsense);
    tcase_add_test(tc, what_an_eager_task_spawns_comes_from_the_factory_too);
    tcase_add_test(tc, an_ending_loop_does_not_ask_its_factory);
    tcase_add_test(tc, a_nested_run_is_refused);
    tcase_add_test(tc,
                   in_debug_mode_a_use_on_the_wrong_thread_is_reported_there);
    tcase_add_test(tc, bad_options_are_refused);
    tcase_add_test(tc, debug_mode_comes_from_the_options_or_the_environment);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
