/* SPDX-License-Identifier: MIT */
/*
 * poll/watches.h - watching processes and signals, for every backend that can
 * wait for a descriptor: all watches of a loop are behind one, which is made
 * with the first of them. One file a system implements it.
 */
#ifndef CO_POLL_WATCHES_H
#define CO_POLL_WATCHES_H

#include "core/poller.h"

#include <signal.h>

struct co__watches {
    int fd;        /* readable while one has something to tell; -1: none yet */
    pid_t maker;   /* kqueue: the process that made fd */
    int signal_fd; /* Linux: of all the signals; -1: none yet */
    sigset_t signals; /* that signal_fd reads; valid if there is one */
    struct co__poll_watch *processes, *of_signals;
};

void co__watches_init(struct co__watches *watches);
/* The watches that are left are over. After fork in the child, too. */
void co__watches_close(struct co__watches *watches);

/* See that there is a descriptor: 1 if it has just been made and is to be
 * waited for from now on, in levels or edges; 0; -EMFILE, -ENFILE, -ENOMEM. */
int co__watches_open(struct co__watches *watches);

/* As in the contract (core/poller.h); after co__watches_open. */
int co__watches_process(struct co__watches *watches,
                        struct co__poll_watch *watch, pid_t pid);
int co__watches_signal(struct co__watches *watches,
                       struct co__poll_watch *watch, int signo);
void co__watches_end(struct co__watches *watches, struct co__poll_watch *watch);

/* Fire all that has something to tell. Returns how many that were. */
int co__watches_fire(struct co__watches *watches);

#endif
