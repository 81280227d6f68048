/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "support/check_main.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static int mallocs, reallocs, frees;

static void *my_malloc(size_t bytes)
{
    mallocs++;
    return malloc(bytes);
}

static void *my_realloc(void *p, size_t bytes)
{
    reallocs++;
    return realloc(p, bytes);
}

static void my_free(void *p)
{
    frees++;
    free(p);
}

static const co_allocator mine = {.size = sizeof(mine),
                                  .malloc_fn = my_malloc,
                                  .realloc_fn = my_realloc,
                                  .free_fn = my_free};

static void set_up(void)
{
    mallocs = reallocs = frees = 0;
}

static void tear_down(void)
{
    ck_assert_int_eq(co_set_allocator(NULL), 0);
    co__fault_after(0);
}

START_TEST(memory_comes_from_the_allocator_that_is_set)
{
    co_allocator copied = mine;
    char *p;

    ck_assert_int_eq(co_set_allocator(&copied), 0);
    memset(&copied, 0, sizeof(copied));
    p = co__alloc(10);
    ck_assert_ptr_nonnull(p);
    p = co__realloc(p, 20);
    ck_assert_ptr_nonnull(p);
    co__free(p);
    co__free(NULL);
    ck_assert_int_eq(mallocs, 1);
    ck_assert_int_eq(reallocs, 1);
    ck_assert_int_eq(frees, 1);
    ck_assert_int_eq(co_set_allocator(NULL), 0);
    co__free(co__alloc(10));
    ck_assert_int_eq(mallocs, 1);
    ck_assert_int_eq(frees, 1);
}
END_TEST

START_TEST(incomplete_allocators_are_einval)
{
    co_allocator bad[5];

    for (int i = 0; i < 5; i++)
        bad[i] = mine;
    bad[0].size = 0;
    bad[1].size = sizeof(co_allocator) + 8;
    bad[2].malloc_fn = NULL;
    bad[3].realloc_fn = NULL;
    bad[4].free_fn = NULL;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_set_allocator(&bad[i]), -EINVAL);
    co__free(co__alloc(10));
    ck_assert_int_eq(mallocs, 0);
}
END_TEST

START_TEST(zeroed_memory_is_zero)
{
    for (int i = 0; i < 100; i++) {
        unsigned char *p = co__alloc_zero(100);

        ck_assert_ptr_nonnull(p);
        for (int k = 0; k < 100; k++)
            ck_assert_int_eq(p[k], 0);
        memset(p, 0xff, 100);
        co__free(p);
    }
}
END_TEST

START_TEST(chosen_request_fails_once)
{
    void *p[5];

    co__fault_after(3);
    p[0] = co__alloc(1);
    p[1] = co__map(4096);
    errno = 0;
    p[2] = co__map(4096);
    ck_assert_int_eq(errno, ENOMEM);
    p[3] = co__alloc_zero(1);
    p[4] = co__realloc(NULL, 1);
    ck_assert_uint_eq(co__fault_after(0), 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(!p[i], i == 2);
    co__free(p[0]);
    co__unmap(p[1], 4096);
    co__free(p[3]);
    co__free(p[4]);
    co__unmap(NULL, 4096);
}
END_TEST

START_TEST(every_kind_of_request_can_fail)
{
    void *p = co__alloc(1);

    co__fault_after(1);
    ck_assert_ptr_null(co__alloc(1));
    co__fault_after(1);
    ck_assert_ptr_null(co__alloc_zero(1));
    co__fault_after(1);
    ck_assert_ptr_null(co__realloc(p, 100));
    co__fault_after(1);
    ck_assert_ptr_null(co__map(4096));
    co__free(p);
}
END_TEST

START_TEST(mapping_that_the_system_refuses_is_null)
{
    errno = 0;
    ck_assert_ptr_null(co__map((size_t)1 << 62));
    ck_assert_int_ne(errno, 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base/alloc");
    TCase *tc = tcase_create("alloc");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, memory_comes_from_the_allocator_that_is_set);
    tcase_add_test(tc, incomplete_allocators_are_einval);
    tcase_add_test(tc, zeroed_memory_is_zero);
    tcase_add_test(tc, chosen_request_fails_once);
    tcase_add_test(tc, every_kind_of_request_can_fail);
    tcase_add_test(tc, mapping_that_the_system_refuses_is_null);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
