/* SPDX-License-Identifier: MIT */
/* The flags of a change, on a pipe's reading end. */
#include "shim_tests.h"

static int fds[2];

static void pipe_made(void)
{
    pipe_make(fds);
}

static void pipe_closed(void)
{
    close_both(fds);
}

static int change_read(unsigned flags, void *udata)
{
    return change((uintptr_t)fds[0], EVFILT_READ, flags, 0, udata);
}

static void drain(void)
{
    char bytes[64];

    while (read(fds[0], bytes, sizeof(bytes)) > 0)
        continue;
}

START_TEST(without_flags_an_event_is_a_level)
{
    ck_assert_int_eq(change_read(EV_ADD, NULL), 0);
    put(fds[1], 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look(), 1);
    drain();
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(re_adding_modifies_and_makes_no_duplicate)
{
    int one, two;

    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_ADD, &one), 0);
    ck_assert_int_eq(change_read(EV_ADD, &two), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_ptr_eq(events[0].udata, &two);
    ck_assert_int_eq(change_read(EV_DELETE, NULL), 0);
    ck_assert_int_eq(change_read(EV_DELETE, NULL), -ENOENT);
}
END_TEST

START_TEST(re_adding_looks_again_and_keeps_the_kind)
{
    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_ADD | EV_CLEAR, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_ADD | EV_ONESHOT, NULL), 0);
    ck_assert_int_eq(look(), 1);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 1); /* it is not once */
}
END_TEST

START_TEST(adding_enables_unless_overridden)
{
    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_ADD | EV_DISABLE, NULL), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_ADD, NULL), 0);
    ck_assert_int_eq(look(), 1);
}
END_TEST

START_TEST(a_disabled_event_is_not_returned)
{
    ck_assert_int_eq(change_read(EV_ADD, NULL), 0);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(change_read(EV_DISABLE, NULL), 0);
    ck_assert_int_eq(look(), 0);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_ENABLE, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 2);
}
END_TEST

START_TEST(dispatch_disables_after_delivery)
{
    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_ADD | EV_DISPATCH, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_ENABLE, NULL), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_DELETE, NULL), 0);
}
END_TEST

START_TEST(a_deleted_event_is_not_returned)
{
    ck_assert_int_eq(change_read(EV_ADD, NULL), 0);
    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_DELETE, NULL), 0);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(a_receipt_says_what_became_and_drains_nothing)
{
    struct kevent k;

    ck_assert_int_eq(change_read(EV_ADD | EV_CLEAR, NULL), 0);
    put(fds[1], 1);
    EV_SET(&k, (uintptr_t)fds[1], EVFILT_WRITE, EV_ADD | EV_CLEAR | EV_RECEIPT,
           0, 0, NULL);
    ck_assert_int_eq(kevent(kq, &k, 1, events, EVENTS, NULL), 1);
    ck_assert(events[0].flags & EV_ERROR);
    ck_assert_int_eq(events[0].data, 0);
    ck_assert_int_eq(look(), 2);
}
END_TEST

START_TEST(oneshot_deletes_after_the_first)
{
    put(fds[1], 1);
    ck_assert_int_eq(change_read(EV_ADD | EV_ONESHOT, NULL), 0);
    ck_assert_int_eq(look(), 1);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(change_read(EV_DELETE, NULL), -ENOENT);
}
END_TEST

START_TEST(clear_resets_the_state_after_retrieval)
{
    ck_assert_int_eq(change_read(EV_ADD | EV_CLEAR, NULL), 0);
    put(fds[1], 1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(look(), 0); /* though it is readable */
    put(fds[1], 1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].data, 2);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(the_two_filters_of_a_descriptor_may_differ_in_kind)
{
    int pair[2];
    char byte;

    pair_make(pair);
    ck_assert_int_eq(
        change((uintptr_t)pair[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, NULL), 0);
    ck_assert_int_eq(change((uintptr_t)pair[0], EVFILT_WRITE, EV_ADD, 0, NULL),
                     0);
    put(pair[1], 1);
    ck_assert_int_eq(look(), 2);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].filter, EVFILT_WRITE);
    ck_assert_int_eq(
        change((uintptr_t)pair[0], EVFILT_WRITE, EV_DELETE, 0, NULL), 0);
    ck_assert_int_eq(change((uintptr_t)pair[0], EVFILT_WRITE,
                            EV_ADD | EV_ONESHOT, 0, NULL),
                     0);
    ck_assert_int_eq((int)read(pair[0], &byte, 1), 1);
    put(pair[1], 1);
    ck_assert_int_eq(look(), 2);
    ck_assert_int_eq(look(), 0);
    put(pair[1], 1);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(events[0].filter, EVFILT_READ);
    close_both(pair);
}
END_TEST

void add_flags(TCase *tc)
{
    tcase_add_checked_fixture(tc, pipe_made, pipe_closed);
    tcase_add_test(tc, without_flags_an_event_is_a_level);
    tcase_add_test(tc, re_adding_modifies_and_makes_no_duplicate);
    tcase_add_test(tc, re_adding_looks_again_and_keeps_the_kind);
    tcase_add_test(tc, adding_enables_unless_overridden);
    tcase_add_test(tc, a_disabled_event_is_not_returned);
    tcase_add_test(tc, dispatch_disables_after_delivery);
    tcase_add_test(tc, a_deleted_event_is_not_returned);
    tcase_add_test(tc, a_receipt_says_what_became_and_drains_nothing);
    tcase_add_test(tc, oneshot_deletes_after_the_first);
    tcase_add_test(tc, clear_resets_the_state_after_retrieval);
    tcase_add_test(tc, the_two_filters_of_a_descriptor_may_differ_in_kind);
}
