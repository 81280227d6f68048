/* SPDX-License-Identifier: MIT */
/* A library that needs the hooks itself: they stand behind the C library. */
#include <coppice/hook.h>

int wrap_enable(void);
const char *wrap_problem(void);

int wrap_enable(void)
{
    return co_hook_enable(CO_HOOK_ALL);
}

const char *wrap_problem(void)
{
    return co_hook_problem();
}
