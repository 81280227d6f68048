/* SPDX-License-Identifier: MIT */
/*
 * poll/kqchanges.h - changes to a kqueue. They are made with receipts, which
 * keeps kevent(2) from handing out events in the same call.
 *
 * What a kernel refuses to register because it has happened already (a process
 * has ended, the reader of a pipe is gone) is reported by an echo: a user event
 * whose number says which event it stands for.
 */
#ifndef CO_POLL_KQCHANGES_H
#define CO_POLL_KQCHANGES_H

#include <stdint.h>
#include <sys/types.h>

#include <sys/event.h>

#define CO__KQ_CHANGES_MAX 8

struct co__kq_changes {
    int count;
    struct kevent list[CO__KQ_CHANGES_MAX];
};

/* One more, to be made with the others. */
void co__kq_change(struct co__kq_changes *changes, uintptr_t ident,
                   short filter, unsigned flags, unsigned note, uint64_t word);
/* Make them. The list then holds what became of each, an errno in data. */
int co__kq_make(int kq, struct co__kq_changes *changes);
/* The same of changes that all have to succeed. */
int co__kq_make_all(int kq, struct co__kq_changes *changes);

/* Report once, at the next look, the event that cannot come any more. */
int co__kq_echo(int kq, uintptr_t ident, short filter, uint64_t word);
void co__kq_unecho(struct co__kq_changes *changes, uintptr_t ident,
                   short filter);
/* If it is an echo make of it the event that it stands for. */
void co__kq_resolve(struct kevent *event);

#endif
