/* SPDX-License-Identifier: MIT */
#include "poll/kqchanges.h"

#include <errno.h>
#include <stddef.h>

_Static_assert(sizeof(uintptr_t) == 8, "an echo is two numbers in one");

void co__kq_change(struct co__kq_changes *changes, uintptr_t ident,
                   short filter, unsigned flags, unsigned note, uint64_t word)
{
    EV_SET(&changes->list[changes->count], ident, filter,
           (unsigned short)(flags | EV_RECEIPT), note, 0,
           (void *)(uintptr_t)word);
    changes->count++;
}

int co__kq_make(int kq, struct co__kq_changes *changes)
{
    int n = kevent(kq, changes->list, changes->count, changes->list,
                   changes->count, NULL);

    return n < 0 ? -errno : 0;
}

int co__kq_make_all(int kq, struct co__kq_changes *changes)
{
    int r = co__kq_make(kq, changes);

    for (int i = 0; r == 0 && i < changes->count; i++)
        r = -(int)changes->list[i].data;
    return r;
}

static uintptr_t echo_ident(uintptr_t ident, short filter)
{
    return (uintptr_t)(unsigned short)filter << 32 | (uint32_t)ident;
}

int co__kq_echo(int kq, uintptr_t ident, short filter, uint64_t word)
{
    uintptr_t echo = echo_ident(ident, filter);
    struct co__kq_changes changes = {.count = 0};

    co__kq_change(&changes, echo, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_FFNOP,
                  word);
    co__kq_change(&changes, echo, EVFILT_USER, 0, NOTE_TRIGGER, word);
    return co__kq_make_all(kq, &changes);
}

void co__kq_unecho(struct co__kq_changes *changes, uintptr_t ident,
                   short filter)
{
    co__kq_change(changes, echo_ident(ident, filter), EVFILT_USER, EV_DELETE, 0,
                  0);
}

void co__kq_resolve(struct kevent *event)
{
    if (event->filter != EVFILT_USER)
        return;
    event->filter = (short)(event->ident >> 32);
    event->ident = (uint32_t)event->ident;
    event->flags = EV_EOF;
    event->fflags = 0;
}
