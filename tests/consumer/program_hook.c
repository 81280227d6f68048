/* SPDX-License-Identifier: MIT */
/* A user's program whose blocking calls are to be hooked. */
#include <coppice/hook.h>

#include <coppice.h>
#include <stdio.h>

int main(void)
{
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    printf("coppice %s gave 42\n", co_version());
    return 0;
}
