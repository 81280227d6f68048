/* SPDX-License-Identifier: MIT */
/* hello.c - the smallest program: one task that says a word after a second. */
#include <coppice.h>

#include <stdio.h>

static int hello(void *word)
{
    int r = co_sleep(1 * CO_SEC); /* the task sleeps; its thread does not */
    if (r < 0)
        return r;
    return puts(word) < 0 ? -EIO : 0;
}

int main(void)
{
    return co_run(hello, "hello") < 0;
}
