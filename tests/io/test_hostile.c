/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Clients that mean harm, over TCP; the cases are in hostile.h. */
#include "hostile.h"

static co_stream *plain(int fd)
{
    return co_stream_new(fd, NULL);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.hostile");
    TCase *tc = tcase_create("TCP");

    wire.client = plain;
    hostile_add(tc);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
