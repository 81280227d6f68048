/* SPDX-License-Identifier: MIT */
/* The wake-up of this platform. */
#include "wake_cases.h"

static Suite *suite(void)
{
    return wake_suite("wake");
}

CO_TEST_MAIN(suite)
