/* SPDX-License-Identifier: MIT */
/*
 * <sys/event.h> for tests on Linux: the part of kqueue(2) that the shim beside
 * it carries out. What it means is in the manual pages of the BSDs and macOS;
 * test_shim.c holds the shim to their sentences.
 */
#ifndef CO_TESTS_SYS_EVENT_H
#define CO_TESTS_SYS_EVENT_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define EVFILT_READ   (-1)
#define EVFILT_WRITE  (-2)
#define EVFILT_PROC   (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_USER   (-11)
#define EVFILT_EXCEPT (-15)

/* What to do. */
#define EV_ADD     0x0001
#define EV_DELETE  0x0002
#define EV_ENABLE  0x0004
#define EV_DISABLE 0x0008
#define EV_RECEIPT 0x0040

/* How to report. */
#define EV_ONESHOT  0x0010
#define EV_CLEAR    0x0020
#define EV_DISPATCH 0x0080

/* What is reported. */
#define EV_ERROR 0x4000
#define EV_EOF   0x8000

#define NOTE_OOB        0x00000002u
#define NOTE_EXIT       0x80000000u
#define NOTE_TRIGGER    0x01000000u
#define NOTE_FFNOP      0x00000000u
#define NOTE_FFAND      0x40000000u
#define NOTE_FFOR       0x80000000u
#define NOTE_FFCOPY     0xc0000000u
#define NOTE_FFCTRLMASK 0xc0000000u
#define NOTE_FFLAGSMASK 0x00ffffffu

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(kev, a, b, c, d, e, f)                                          \
    do {                                                                       \
        struct kevent *ev_set_kev = (kev);                                     \
                                                                               \
        ev_set_kev->ident = (a);                                               \
        ev_set_kev->filter = (b);                                              \
        ev_set_kev->flags = (c);                                               \
        ev_set_kev->fflags = (d);                                              \
        ev_set_kev->data = (e);                                                \
        ev_set_kev->udata = (f);                                               \
    } while (0)

int kqueue(void);
int kevent(int kq, const struct kevent *changelist, int nchanges,
           struct kevent *eventlist, int nevents,
           const struct timespec *timeout);

#endif
