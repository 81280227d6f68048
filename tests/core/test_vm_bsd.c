/* SPDX-License-Identifier: MIT */
/* What the BSDs and macOS have in place of core/vm_linux.c is POSIX: it runs
 * here, too. */
#define co__vm_probe   twin_probe
#define co__vm_stacks  twin_stacks
#define co__vm_guard   twin_guard
#define co__vm_discard twin_discard
#include "core/vm_bsd.c"

#include "support/check_main.h"

#include <errno.h>
#include <unistd.h>

#define PAGES 4

static char *pages;
static size_t page;

static void map(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    pages = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    memset(pages, 'x', PAGES * page);
}

static void unmap(void)
{
    munmap(pages, PAGES * page);
}

/* Whether the kernel may read it for us: no fault of our own. */
static int readable(const char *p)
{
    int fds[2], r;

    ck_assert_int_eq(pipe(fds), 0);
    r = write(fds[1], p, 1) == 1;
    ck_assert(r || errno == EFAULT);
    close(fds[0]);
    close(fds[1]);
    return r;
}

START_TEST(discarded_pages_are_zero_and_not_resident)
{
    unsigned char resident[PAGES];

    twin_stacks(pages, PAGES * page);
    twin_discard(pages + page, 2 * page);
    ck_assert_int_eq(mincore(pages, PAGES * page, (void *)resident), 0);
    ck_assert_int_eq(resident[1] & 1, 0);
    ck_assert_int_eq(resident[2] & 1, 0);
    for (size_t i = page; i < 3 * page; i++)
        if (pages[i])
            ck_abort_msg("byte %zu is not zero", i);
    pages[page] = 'y'; /* they are there to be used */
}
END_TEST

START_TEST(neighbours_of_discarded_pages_stay)
{
    twin_discard(pages + page, 2 * page);
    ck_assert_int_eq(pages[page - 1], 'x');
    ck_assert_int_eq(pages[3 * page], 'x');
}
END_TEST

START_TEST(a_guard_cannot_be_touched_and_its_neighbours_can)
{
    ck_assert_int_eq(twin_probe(), 0);
    for (int plainly = 0; plainly < 2; plainly++) {
        ck_assert_int_eq(twin_guard(pages + page, page, plainly), 0);
        ck_assert(!readable(pages + page));
        ck_assert(!readable(pages + 2 * page - 1));
        ck_assert(readable(pages + page - 1));
        ck_assert(readable(pages + 2 * page));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/vm_bsd");
    TCase *tc = tcase_create("vm_bsd");

    tcase_add_checked_fixture(tc, map, unmap);
    tcase_add_test(tc, discarded_pages_are_zero_and_not_resident);
    tcase_add_test(tc, neighbours_of_discarded_pages_stay);
    tcase_add_test(tc, a_guard_cannot_be_touched_and_its_neighbours_can);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
