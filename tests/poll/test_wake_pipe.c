/* SPDX-License-Identifier: MIT */
/* The wake-up by a pipe, which every system has: in place of the platform's. */
#include "poll/wake_pipe.c"

#include "wake_cases.h"

static Suite *suite(void)
{
    return wake_suite("wake_pipe");
}

CO_TEST_MAIN(suite)
