/* SPDX-License-Identifier: MIT */
/* The list is locked around each fork, and then each thing on it. */
#include "offload/forked.h"

#include "base/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct co__forked *first;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int registered;

static void before(void)
{
    co__lock(&lock);
    for (struct co__forked *f = first; f; f = f->next)
        f->hold(f);
}

static void in_parent(void)
{
    for (struct co__forked *f = first; f; f = f->next)
        f->release(f);
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    for (struct co__forked *f = first; f; f = f->next)
        f->reset(f);
    pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
    registered = pthread_atfork(before, in_parent, in_child) == 0;
}

int co__forked_add(struct co__forked *forked)
{
    co__once(&once, prepare);
    if (!registered)
        return -ENOMEM;
    co__lock(&lock);
    forked->prev = NULL;
    forked->next = first;
    if (first)
        first->prev = forked;
    first = forked;
    pthread_mutex_unlock(&lock);
    return 0;
}

void co__forked_remove(struct co__forked *forked)
{
    co__lock(&lock);
    if (forked->prev)
        forked->prev->next = forked->next;
    else
        first = forked->next;
    if (forked->next)
        forked->next->prev = forked->prev;
    pthread_mutex_unlock(&lock);
}
