/* SPDX-License-Identifier: MIT */
/*
 * Schemes that are registered: a few, once, when a program begins. They stay in
 * their places for good, so who looks for one needs no lock; nor is a library
 * that has one told by its mere presence, since a linker leaves out of an
 * archive what nobody calls.
 */
#include "io/scheme.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define SCHEMES_MAX 8

/* Filled from the first on. */
static const co_dial_scheme *_Atomic schemes[SCHEMES_MAX];

static int is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

int co__scheme_check(const co_dial_scheme *scheme)
{
    const char *name;

    if (!scheme || scheme->size != sizeof(*scheme) || !scheme->name ||
        !scheme->wrap || !is_letter(scheme->name[0]))
        return -EINVAL;
    for (name = scheme->name; *name; name++)
        if (!is_letter(*name) && !strchr("0123456789+-.", *name))
            return -EINVAL;
    return 0;
}

static int is_named(const co_dial_scheme *scheme, const char *name, size_t len)
{
    return strncmp(scheme->name, name, len) == 0 && !scheme->name[len];
}

const co_dial_scheme *co__scheme_find(const char *name, size_t len,
                                      const co_dial_scheme *also)
{
    const co_dial_scheme *scheme = also;

    for (int i = 0; !scheme || !is_named(scheme, name, len); i++) {
        if (i == SCHEMES_MAX)
            return NULL;
        /* Pairs with co_dial_register. */
        scheme = atomic_load_explicit(&schemes[i], memory_order_acquire);
        if (!scheme)
            return NULL;
    }
    return scheme;
}

int co_dial_register(const co_dial_scheme *scheme)
{
    static const char *const ours[] = {"tcp", "udp", "unix"};
    int r = co__scheme_check(scheme);

    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(ours[i], scheme->name) == 0)
            return -EEXIST;
    for (int i = 0; i < SCHEMES_MAX; i++) {
        const co_dial_scheme *there = NULL;

        /* Pairs with co__scheme_find, and with itself. */
        if (atomic_compare_exchange_strong(&schemes[i], &there, scheme))
            return 0;
        if (strcmp(there->name, scheme->name) == 0)
            return -EEXIST;
    }
    return -ENOSPC;
}
