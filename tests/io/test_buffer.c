/* SPDX-License-Identifier: MIT */
/* A loop keeps buffers of streams, some of the usual size, and no others. */
#include "io/buffer.h"

#include "base/alloc.h"
#include "base/sanitize.h"
#include "io_support.h"

static uint32_t kept(void)
{
    return co_loop_running()->fds->buffers_count;
}

CO_TASK_TEST(what_is_given_back_is_had_again)
{
    void *a = co__buffer_take(CO__BUFFER_BYTES);
    void *b = co__buffer_take(CO__BUFFER_BYTES);

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_ne(a, b);
    co__buffer_give(a, CO__BUFFER_BYTES);
    co__buffer_give(b, CO__BUFFER_BYTES);
    ck_assert_uint_eq(kept(), 2);
    (void)co__fault_after(0);
    ck_assert_ptr_eq(co__buffer_take(CO__BUFFER_BYTES), b);
    ck_assert_ptr_eq(co__buffer_take(CO__BUFFER_BYTES), a);
    ck_assert_uint_eq(co__fault_after(0), 0);
    ck_assert_uint_eq(kept(), 0);
    co__buffer_give(a, CO__BUFFER_BYTES);
    co__buffer_give(b, CO__BUFFER_BYTES); /* freed when the loop ends */
}

CO_TASK_TEST(one_that_is_kept_is_lent)
{
    void *a = co__buffer_take(CO__BUFFER_BYTES);

    ck_assert_ptr_nonnull(a);
    co__buffer_give(a, CO__BUFFER_BYTES);
    (void)co__fault_after(0);
    ck_assert_ptr_eq(co__lend(), a);
    ck_assert_uint_eq(co__fault_after(0), 0);
    co__free(a); /* as the backend may */
}

CO_TASK_TEST(other_sizes_are_not_kept)
{
    static const size_t sizes[] = {1, CO__BUFFER_BYTES - 1,
                                   CO__BUFFER_BYTES + 1};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *buffer = co__buffer_take(sizes[i]);

        ck_assert_ptr_nonnull(buffer);
        co__buffer_give(buffer, sizes[i]);
    }
    co__buffer_give(NULL, CO__BUFFER_BYTES);
    ck_assert_uint_eq(kept(), 0);
}

CO_TASK_TEST(not_more_than_some_are_kept)
{
    void *buffers[300];

    for (int i = 0; i < 300; i++)
        buffers[i] = co__buffer_take(CO__BUFFER_BYTES);
    for (int i = 0; i < 300; i++)
        co__buffer_give(buffers[i], CO__BUFFER_BYTES);
    ck_assert_uint_eq(kept(), 256);
}

START_TEST(outside_a_loop_nothing_is_kept)
{
    void *buffer = co__buffer_take(CO__BUFFER_BYTES);

    ck_assert_ptr_nonnull(buffer);
    co__buffer_give(buffer, CO__BUFFER_BYTES);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("io.buffer");
    TCase *tc = tcase_create("buffer");

    if (!CO__SANITIZED) {
        tcase_add_test(tc, what_is_given_back_is_had_again);
        tcase_add_test(tc, one_that_is_kept_is_lent);
        tcase_add_test(tc, not_more_than_some_are_kept);
    }
    tcase_add_test(tc, other_sizes_are_not_kept);
    tcase_add_test(tc, outside_a_loop_nothing_is_kept);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
