/* SPDX-License-Identifier: MIT */
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void co__die(const char *format, ...)
{
    char line[512];
    va_list args;
    size_t n = 0;
    int r;

    memcpy(line, "coppice: ", 9);
    va_start(args, format);
    r = vsnprintf(line + 9, sizeof(line) - 10, format, args);
    va_end(args);
    if (r > 0)
        n = strlen(line);
    line[n++] = '\n';
    /* One write, so that lines of several threads do not mix. */
    if (write(STDERR_FILENO, line, n) < 0)
        abort();
    abort();
}
