/* SPDX-License-Identifier: MIT */
/* What was asked for of a number that is closed, and means something else,
 * before the kernel has heard of it. Here it means the same all the time: what
 * was asked for must not happen to it. */
#include "suite.h"

#include "core/command.h"

#include <sys/socket.h>

enum {
    GEN = 7,
    MANY = 300, /* more than io_uring queues */
    RESULT_NONE = 1,
};

static int fds[2], idle[2];
static int lapsed; /* the number whose generation has ended, or -1 */

int co__fd_lapsed(int fd, uint32_t gen)
{
    ck_assert_uint_eq(gen, GEN);
    return fd == lapsed;
}

static void lapse(int fd)
{
    lapsed = fd;
    ops->lapse(poller);
}

static void reported(struct co__command *command, int result, unsigned end)
{
    ck_assert_int_eq(end & CO__END_MORE, 0);
    command->result = result;
}

static char byte;

static struct co__command receive(int fd, uint8_t hint, uint32_t options)
{
    return (struct co__command){.code = CO__DO_RECV,
                                .hint = hint,
                                .fd = fd,
                                .data = &byte,
                                .len = 1,
                                .options = options,
                                .result = RESULT_NONE,
                                .gen = GEN,
                                .done = reported};
}

static void begin(struct co__command *command)
{
    ck_assert_int_eq(ops->submit(poller, command), 0);
}

static int result_of(struct co__command *command)
{
    while (!command->over)
        wait_for(CO_SEC);
    return command->result;
}

/* What many others ask for: there is nothing, and they do not wait. */
static struct co__command others[MANY];

static void begin_others(int count)
{
    for (int i = 0; i < count; i++) {
        others[i] = receive(idle[0], 0, MSG_DONTWAIT);
        begin(&others[i]);
    }
}

static void others_end(int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(result_of(&others[i]), -EAGAIN);
}

/* fds[0] has a byte. */
static void setup(void)
{
    lapsed = -1;
    pair_make(fds);
    pair_make(idle);
    put(fds[1]);
}

static void teardown(void)
{
    pair_close(fds);
    pair_close(idle);
}

static void nothing_was_taken(void)
{
    ck_assert_int_eq((int)recv(fds[0], &byte, 1, MSG_DONTWAIT), 1);
}

START_TEST(a_command_that_has_lapsed_is_ebadf_and_takes_nothing)
{
    struct co__command command;

    setup();
    command = receive(fds[0], CO__HINT_BOUND, 0);
    begin(&command);
    lapse(fds[0]);
    ck_assert_int_eq(result_of(&command), -EBADF);
    nothing_was_taken();
    teardown();
}
END_TEST

START_TEST(forgotten_after_it_has_lapsed_it_takes_nothing)
{
    struct co__command command;

    setup();
    command = receive(fds[0], CO__HINT_BOUND, 0);
    begin(&command);
    lapse(fds[0]);
    ops->forget(poller, &command);
    ck_assert_int_eq(command.result, -EBADF);
    nothing_was_taken();
    teardown();
}
END_TEST

START_TEST(a_pause_after_it_has_lapsed_takes_nothing)
{
    struct co__command command;

    setup();
    command = receive(fds[0], CO__HINT_BOUND, 0);
    begin(&command);
    lapse(fds[0]);
    ops->pause(poller, 1);
    ck_assert_int_eq(result_of(&command), -EBADF);
    nothing_was_taken();
    teardown();
}
END_TEST

START_TEST(what_has_not_lapsed_is_carried_out)
{
    struct co__command bound, unbound;

    setup();
    put(fds[1]);
    bound = receive(fds[0], CO__HINT_BOUND, 0);
    begin(&bound);
    lapse(idle[0]);
    ck_assert_int_eq(result_of(&bound), 1);
    unbound = receive(fds[0], 0, 0);
    begin(&unbound);
    lapse(fds[0]);
    ck_assert_int_eq(result_of(&unbound), 1);
    teardown();
}
END_TEST

/* What the kernel has already keeps its file. */
START_TEST(a_command_under_way_goes_on)
{
    struct co__command command;

    setup();
    command = receive(idle[0], CO__HINT_BOUND, 0);
    begin(&command);
    look();
    lapse(idle[0]);
    look();
    ck_assert(!command.over);
    put(idle[1]);
    ck_assert_int_eq(result_of(&command), 1);
    teardown();
}
END_TEST

START_TEST(a_wait_that_has_lapsed_ends)
{
    setup();
    for (int armed = 0; armed < 2; armed++) {
        if (armed)
            ck_assert_int_eq(ops->arm(poller, idle[0], GEN, CO__POLL_IN), 0);
        else
            ck_assert_int_eq(ops->watch(poller, idle[0], GEN), 0);
        lapse(idle[0]);
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(reports[idle[0]].gen, GEN);
        ck_assert_uint_ne(reports[idle[0]].mask & CO__POLL_ERR, 0);
        ops->unwatch(poller, idle[0]);
    }
    teardown();
}
END_TEST

/* For so many there is no room: some have to be handed over before the turn's
 * end. */
START_TEST(many_after_it_do_not_take_it_along)
{
    struct co__command command;

    setup();
    command = receive(fds[0], CO__HINT_BOUND, 0);
    begin(&command);
    lapse(fds[0]);
    begin_others(MANY);
    ck_assert_int_eq(result_of(&command), -EBADF);
    others_end(MANY);
    nothing_was_taken();
    teardown();
}
END_TEST

/* It lapses between the caller's look at the number and this call; and this
 * call may have to make room. */
START_TEST(one_that_lapses_as_it_is_asked_for_takes_nothing)
{
    struct co__command command;

    for (int before = MANY - 60; before < MANY; before++) {
        setup();
        begin_others(before);
        lapse(fds[0]);
        command = receive(fds[0], CO__HINT_BOUND, 0);
        begin(&command);
        ck_assert_int_eq(result_of(&command), -EBADF);
        others_end(before);
        nothing_was_taken();
        teardown();
    }
}
END_TEST

void add_lapses(TCase *tc)
{
    if (!ops->lapse)
        return;
    tcase_add_test(tc, a_command_that_has_lapsed_is_ebadf_and_takes_nothing);
    tcase_add_test(tc, forgotten_after_it_has_lapsed_it_takes_nothing);
    tcase_add_test(tc, a_pause_after_it_has_lapsed_takes_nothing);
    tcase_add_test(tc, what_has_not_lapsed_is_carried_out);
    tcase_add_test(tc, a_command_under_way_goes_on);
    tcase_add_test(tc, a_wait_that_has_lapsed_ends);
    tcase_add_test(tc, many_after_it_do_not_take_it_along);
    tcase_add_test(tc, one_that_lapses_as_it_is_asked_for_takes_nothing);
}
