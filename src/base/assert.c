/* SPDX-License-Identifier: MIT */
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "coppice: "

/* One write, so that lines of several threads do not mix. */
static void say(const char *format, va_list args)
{
    char line[512] = PREFIX;
    size_t n = sizeof(PREFIX) - 1;

    if (vsnprintf(line + n, sizeof(line) - n - 1, format, args) > 0)
        n = strlen(line);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}

void co__warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

void co__die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    abort();
}
