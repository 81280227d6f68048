/* SPDX-License-Identifier: MIT */
/* support/stderr.h - what is written to stderr, kept to be looked at. */
#ifndef CO_TESTS_SUPPORT_STDERR_H
#define CO_TESTS_SUPPORT_STDERR_H

#include "support/check_main.h"

/* What is written to stderr between the two. */
static int co_test_stderr_saved;

static inline FILE *co_test_stderr_catch(void)
{
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    fflush(stderr);
    co_test_stderr_saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    return file;
}

static inline char *co_test_stderr_caught(FILE *file)
{
    static char text[8192];
    size_t n;

    dup2(co_test_stderr_saved, STDERR_FILENO);
    close(co_test_stderr_saved);
    rewind(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

#endif
