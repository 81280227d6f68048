/* SPDX-License-Identifier: MIT */
#include <coppice/error.h>

#include "support/check_main.h"

#include <limits.h>

START_TEST(names_are_those_of_errno_h)
{
    ck_assert_str_eq(co_error_name(-ECANCELED), "ECANCELED");
    ck_assert_str_eq(co_error_name(-ETIMEDOUT), "ETIMEDOUT");
    ck_assert_str_eq(co_error_name(-EPERM), "EPERM");
    ck_assert_str_eq(co_error_name(-EINVAL), "EINVAL");
}
END_TEST

START_TEST(either_sign_is_accepted)
{
    ck_assert_str_eq(co_error_name(ENOMEM), "ENOMEM");
    ck_assert_str_eq(co_error_name(-ENOMEM), "ENOMEM");
}
END_TEST

START_TEST(zero_is_ok)
{
    ck_assert_str_eq(co_error_name(0), "OK");
}
END_TEST

START_TEST(what_has_no_name_is_a_question)
{
    static const int errors[] = {9999, -9999, 524, INT_MAX, -INT_MAX, INT_MIN};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        ck_assert_str_eq(co_error_name(errors[i]), "E?");
}
END_TEST

START_TEST(version_is_that_of_the_headers)
{
    char expected[32];

    snprintf(expected, sizeof(expected), "%d.%d.%d", COPPICE_VERSION_MAJOR,
             COPPICE_VERSION_MINOR, COPPICE_VERSION_PATCH);
    ck_assert_str_eq(co_version(), expected);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base/error");
    TCase *tc = tcase_create("error");

    tcase_add_test(tc, names_are_those_of_errno_h);
    tcase_add_test(tc, either_sign_is_accepted);
    tcase_add_test(tc, zero_is_ok);
    tcase_add_test(tc, what_has_no_name_is_a_question);
    tcase_add_test(tc, version_is_that_of_the_headers);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
