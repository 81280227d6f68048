/* SPDX-License-Identifier: MIT */
/* Descriptors that end, are replaced, or have a second number.
 * "close() while another waits", "dup'd fd + close, number reused; raw-syscall
 * close". */
#include "core/loop.h"
#include "core/poller.h"
#include "hook/hook_support.h"

#include <coppice/fd.h>
#include <coppice/socket.h>

#include <linux/close_range.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int __close(int fd);
int __dup2(int from, int to);

static int fds[2], other[2];
static char got[8];
static struct hook_call call;

static ssize_t by_read(struct hook_call *c)
{
    return read(c->fd, c->data, c->len);
}

/* A task that waits for fds[0]. */
static void wait_for_it(void)
{
    hook_pair(fds);
    call = (struct hook_call){
        .fn = by_read, .fd = fds[0], .data = got, .len = sizeof(got)};
    hook_begin_waiting(&call);
}

/* It was told that its descriptor is no more. */
static void it_is_told(void)
{
    ck_assert_int_eq(hook_end(&call), -EBADF);
}

CO_TASK_TEST(close_wakes_who_waits)
{
    wait_for_it();
    ck_assert_int_eq(close(fds[0]), 0);
    it_is_told();
    close(fds[1]);
    wait_for_it();
    ck_assert_int_eq(__close(fds[0]), 0);
    it_is_told();
    close(fds[1]);
    ck_assert_int_eq(close(fds[1]), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(close(-1), -1);
    ck_assert_int_eq(errno, EBADF);
}

CO_TASK_TEST(fclose_wakes_who_waits)
{
    FILE *file;

    wait_for_it();
    file = fdopen(fds[0], "r");
    ck_assert_int_eq(fclose(file), 0);
    it_is_told();
    close(fds[1]);
}

CO_TASK_TEST(fclose_of_a_stream_in_memory_is_nobodys_business)
{
    char text[] = "abc";
    FILE *file = fmemopen(text, 3, "r");

    errno = EXDEV;
    ck_assert_int_eq(fclose(file), 0);
    if (!CO__TSAN) /* which asks for its number, too */
        ck_assert_int_eq(errno, EXDEV);
}

CO_TASK_TEST(dup2_wakes_who_waits_for_what_it_replaces)
{
    hook_pair(other);
    for (int i = 0; i < 3; i++) {
        wait_for_it();
        ck_assert_int_eq(i == 0   ? dup2(other[0], fds[0])
                         : i == 1 ? dup3(other[0], fds[0], O_CLOEXEC)
                                  : __dup2(other[0], fds[0]),
                         fds[0]);
        it_is_told();
        /* The number means what it was made of. */
        hook_begin_waiting(&call);
        hook_put(other[1], "abc");
        ck_assert_int_eq(hook_end(&call), 3);
        hook_close(fds);
    }
    hook_close(other);
}

CO_TASK_TEST(a_dup2_that_fails_disturbs_nobody)
{
    wait_for_it();
    ck_assert_int_eq(dup2(fds[0], fds[0]), fds[0]);
    ck_assert_int_eq(dup2(1000, fds[0]), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(dup3(1000, fds[0], 0), -1);
    ck_assert_int_eq(dup3(fds[0], fds[0], 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(dup3(fds[1], fds[0], O_APPEND), -1);
    ck_assert_int_eq(errno, EINVAL);
    co_test_yield();
    ck_assert_int_eq(hook_waits(&call), 1);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    hook_close(fds);
}

CO_TASK_TEST(close_range_wakes_who_waits)
{
    wait_for_it();
    ck_assert_int_eq(close_range((unsigned)fds[0], (unsigned)fds[0],
                                 CLOSE_RANGE_CLOEXEC),
                     0);
    co_test_yield();
    ck_assert_int_eq(hook_waits(&call), 1); /* it is still open */
    ck_assert_int_eq(close_range(9, 3, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(close_range((unsigned)fds[0], (unsigned)fds[0], 0), 0);
    it_is_told();
    close(fds[1]);
}

CO_TASK_TEST(closefrom_wakes_who_waits)
{
    int high[2], pair[2];

    hook_pair(pair);
    high[0] = fcntl(pair[0], F_DUPFD_CLOEXEC, 600);
    ck_assert_int_ge(high[0], 600);
    call = (struct hook_call){
        .fn = by_read, .fd = high[0], .data = got, .len = sizeof(got)};
    hook_begin_waiting(&call);
    closefrom(high[0]);
    it_is_told();
    hook_close(pair);
}

static const struct co__poller_ops *poller;
static int waits;

static int counted_wait(struct co__poller *self, co_time now, co_time deadline)
{
    waits++;
    return poller->wait(self, now, deadline);
}

/* How often the reactor waits while this task sleeps. */
static int waits_in_a_sleep(void)
{
    co_loop *loop = co_loop_running();
    struct co__poller_ops counting = *loop->poller_ops;

    poller = loop->poller_ops;
    counting.wait = counted_wait;
    waits = 0;
    loop->poller_ops = &counting;
    ck_assert_int_eq(co_sleep(20 * CO_MS), 0);
    loop->poller_ops = poller;
    return waits;
}

/* The description lives on in its copy, of which the reactor has heard
 * nothing: events for a number that is no more must not make it spin. */
CO_TASK_TEST(a_closed_number_whose_copy_lives_does_not_spin)
{
    int copy;

    wait_for_it();
    copy = dup(fds[0]);
    close(fds[0]);
    it_is_told();
    hook_put(fds[1], "abc"); /* an event, if it is still registered */
    ck_assert_int_le(waits_in_a_sleep(), 10);
    call.fd = copy;
    ck_assert_int_eq(hook_do(&call), 3);
    close(copy);
    close(fds[1]);
}

CO_TASK_TEST(a_number_used_again_is_the_new_descriptor)
{
    int number;

    wait_for_it();
    number = fds[0];
    close(fds[0]);
    it_is_told();
    close(fds[1]);
    wait_for_it();
    ck_assert_int_eq(fds[0], number);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3);
    hook_close(fds);
}

/* A close by the raw system call goes unseen; no task waits for it. */
CO_TASK_TEST(a_number_closed_behind_our_back_is_used_again)
{
    int number;

    wait_for_it();
    number = fds[0];
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&call), 3); /* the reactor knows the number */
    ck_assert_int_eq(syscall(SYS_close, fds[0]), 0);
    close(fds[1]);
    wait_for_it();
    ck_assert_int_eq(fds[0], number);
    hook_put(fds[1], "abcd");
    ck_assert_int_eq(hook_end(&call), 4);
    hook_close(fds);
}

/* Both numbers are waited for, by one reactor. */
CO_TASK_TEST(a_copy_is_waited_for_beside_its_original)
{
    struct hook_call second;

    wait_for_it();
    second = call;
    second.fd = dup(fds[0]);
    hook_begin_waiting(&second);
    close(fds[0]);
    it_is_told();
    ck_assert_int_eq(hook_waits(&second), 1);
    hook_put(fds[1], "abc");
    ck_assert_int_eq(hook_end(&second), 3);
    close(second.fd);
    close(fds[1]);
}

/* "fds shared with other loops should need nothing". */
static void *read_in_a_loop(void *arg)
{
    ck_assert_int_eq(co_run(hook_call_run, arg), 0);
    return NULL;
}

CO_TASK_TEST(a_descriptor_is_shared_with_another_loop)
{
    struct hook_call there;
    pthread_t thread;
    char got_there[8];

    wait_for_it();
    there = call;
    there.data = got_there;
    ck_assert_int_eq(pthread_create(&thread, NULL, read_in_a_loop, &there), 0);
    hook_put(fds[1], "abc");
    while (!call.done && !__atomic_load_n(&there.done, __ATOMIC_ACQUIRE))
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    hook_put(fds[1], "de");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    hook_end(&call);
    ck_assert_int_gt(call.result, 0);
    ck_assert_int_gt(there.result, 0);
    hook_close(fds);
}

/* ---- closed on another thread -------------------------------------------- */

static int close_it(void *fd)
{
    return close(*(int *)fd);
}

static void *close_on_thread(void *fd)
{
    return co_test_number(close_it(fd));
}

static void *close_in_a_loop(void *fd)
{
    return co_test_number(co_run(close_it, fd));
}

/* Who waits for fds[0] is told. */
static void close_elsewhere(void *(*closer)(void *fd))
{
    pthread_t thread;
    void *r;

    ck_assert_int_eq(pthread_create(&thread, NULL, closer, &fds[0]), 0);
    it_is_told();
    ck_assert_int_eq(pthread_join(thread, &r), 0);
    ck_assert_int_eq(co_test_return(r), 0);
    close(fds[1]);
}

CO_TASK_TEST(a_close_on_another_thread_wakes_who_waits)
{
    wait_for_it();
    close_elsewhere(close_on_thread);
    wait_for_it();
    close_elsewhere(close_in_a_loop);
}

static ssize_t ours(ssize_t n)
{
    errno = n < 0 ? (int)-n : 0;
    return n < 0 ? -1 : n;
}

static ssize_t by_co_read(struct hook_call *c)
{
    return ours(co_read(c->fd, c->data, c->len));
}

static ssize_t by_co_accept(struct hook_call *c)
{
    return ours(co_accept(c->fd, NULL, NULL));
}

static ssize_t by_co_close(struct hook_call *c)
{
    return ours(co_close(c->fd));
}

static void *call_on_thread(void *arg)
{
    hook_do(arg);
    return NULL;
}

static ssize_t by_co_wait_fd(struct hook_call *c)
{
    return ours(co_wait_fd(c->fd, CO_READABLE));
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const our_calls[] = {by_co_read, by_co_accept, by_co_wait_fd};
#define OUR_CALLS ((int)(sizeof(our_calls) / sizeof(our_calls[0])))

static int is_ours(int fd)
{
    return co_adopt(fd) == -EALREADY;
}

/* A task that waits for fds[0], which is in Coppice's care. */
static void wait_for_ours(call_fn *fn)
{
    struct sockaddr_in addr;

    hook_pair(fds);
    if (fn == by_co_accept) {
        close(fds[0]);
        hook_listen(&fds[0], &addr);
    }
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    call = (struct hook_call){
        .fn = fn, .fd = fds[0], .data = got, .len = sizeof(got)};
    hook_begin_waiting(&call);
}

EACH_TEST(a_plain_close_of_what_is_ours_wakes_who_waits)
{
    wait_for_ours(our_calls[i]);
    ck_assert_int_eq(close(fds[0]), 0);
    it_is_told();
    close(fds[1]);
    wait_for_ours(our_calls[i]);
    close_elsewhere(close_on_thread);
    wait_for_ours(our_calls[i]);
    close_elsewhere(close_in_a_loop);
}

/* The number is used again before anybody has looked at it. */
CO_TASK_TEST(a_number_of_ours_that_was_closed_elsewhere_is_anybodys)
{
    pthread_t thread;
    int number, peer;

    wait_for_ours(by_co_read);
    number = fds[0];
    peer = fds[1];
    ck_assert(is_ours(number));
    ck_assert_int_eq(co_sleep(CO_US), 0); /* io_uring has the read, by then */
    ck_assert_int_eq(pthread_create(&thread, NULL, close_on_thread, &fds[0]),
                     0);
    co_hook_pause ck_assert_int_eq(pthread_join(thread, NULL), 0);
    hook_pair(fds);
    ck_assert_int_eq(fds[0], number);
    hook_put(fds[1], "abc");
    it_is_told();
    close(peer);
    ck_assert_int_eq(read(fds[0], got, sizeof(got)), 3);
    ck_assert(!hook_is_nonblocking(fds[0]));
    ck_assert_int_eq(co_adopt(fds[0]), 0);
    hook_close(fds);
}

/* Who calls us is told that it is another loop's. */
CO_TASK_TEST(co_close_elsewhere_of_what_is_ours_is_eperm)
{
    struct hook_call there = {.fn = by_co_close};
    pthread_t thread;

    wait_for_ours(by_co_read);
    there.fd = fds[0];
    ck_assert_int_eq(pthread_create(&thread, NULL, call_on_thread, &there), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(there.result, -EPERM);
    co_test_yield();
    ck_assert_int_eq(hook_waits(&call), 1);
    ck_assert_int_eq(co_close(fds[0]), 0);
    it_is_told();
    close(fds[1]);
}

static atomic_int waits_there;

static int wait_in_loop(void *there)
{
    hook_begin_waiting(there);
    atomic_store(&waits_there, 1);
    hook_end(there);
    return 0;
}

static void *wait_there(void *there)
{
    return co_test_number(co_run(wait_in_loop, there));
}

/* Each loop that has waited for it, whoever was the first. */
CO_TASK_TEST(a_close_wakes_who_waits_in_any_loop)
{
    struct hook_call there;
    char got_there[8];
    pthread_t thread;

    for (int i = 0; i < 3; i++) {
        wait_for_it();
        there = call;
        there.data = got_there;
        atomic_store(&waits_there, 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_there, &there), 0);
        while (!atomic_load(&waits_there))
            ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
        if (i == 0)
            close(fds[0]);
        else if (i == 1)
            dup2(fds[1], fds[0]);
        else
            close_range((unsigned)fds[0], (unsigned)fds[0], 0);
        it_is_told();
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(there.result, -EBADF);
        if (i == 1)
            close(fds[0]);
        close(fds[1]);
    }
}

/* co_close and co_read of what the hooks wait for, and the other way round. */
CO_TASK_TEST(hooked_calls_and_ours_share_a_descriptor)
{
    wait_for_it();
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    ck_assert_int_eq(hook_end(&call), 3);
    hook_put(fds[1], "de");
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 2);
    hook_begin_waiting(&call);
    ck_assert_int_eq(co_close(fds[0]), 0);
    it_is_told();
    ck_assert_int_eq(co_close(fds[1]), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.lifetime");
    TCase *tc = hook_case(s, "lifetime");

    tcase_add_test(tc, close_wakes_who_waits);
    tcase_add_test(tc, fclose_wakes_who_waits);
    tcase_add_test(tc, fclose_of_a_stream_in_memory_is_nobodys_business);
    tcase_add_test(tc, dup2_wakes_who_waits_for_what_it_replaces);
    tcase_add_test(tc, a_dup2_that_fails_disturbs_nobody);
    tcase_add_test(tc, close_range_wakes_who_waits);
    tcase_add_test(tc, closefrom_wakes_who_waits);
    tcase_add_test(tc, a_closed_number_whose_copy_lives_does_not_spin);
    tcase_add_test(tc, a_number_used_again_is_the_new_descriptor);
    tcase_add_test(tc, a_number_closed_behind_our_back_is_used_again);
    tcase_add_test(tc, a_copy_is_waited_for_beside_its_original);
    tcase_add_test(tc, a_descriptor_is_shared_with_another_loop);
    tcase_add_test(tc, a_close_on_another_thread_wakes_who_waits);
    tcase_add_loop_test(tc, a_plain_close_of_what_is_ours_wakes_who_waits, 0,
                        OUR_CALLS);
    tcase_add_test(tc, a_number_of_ours_that_was_closed_elsewhere_is_anybodys);
    tcase_add_test(tc, co_close_elsewhere_of_what_is_ours_is_eperm);
    tcase_add_test(tc, a_close_wakes_who_waits_in_any_loop);
    tcase_add_test(tc, hooked_calls_and_ours_share_a_descriptor);
    return s;
}

CO_TEST_MAIN(suite)
