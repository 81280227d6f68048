/* SPDX-License-Identifier: MIT */
/*
 * Happy eyeballs, RFC 8305: the families take turns, and the next address is
 * begun when `delay` has passed, or at once when an attempt has failed.
 *
 * It is one task that waits for all sockets and the time, and no task for each
 * attempt: so there is one winner by construction, and nothing to cancel. While
 * they race the sockets are foreign to Coppice (io/fd.c), since what is seen of
 * a socket that is not connected is of no use later; the winner is adopted.
 */
#include "io/race.h"

#include <coppice/clock.h>
#include <coppice/fd.h>
#include <coppice/select.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/system.h"
#include "io/io.h"
#include "io/net.h"
#include "io/sys.h"

#include <errno.h>

/* As many as co_select waits for without memory, with one for the time. */
#define RUNNERS_MAX 15

struct runner {
    int fd;
    size_t index; /* of its address, in the order in which they are tried */
};

struct field {
    const struct co__race *race;
    const co_addr **addrs; /* in the order in which they are tried */
    size_t count, next;
    struct runner runners[RUNNERS_MAX];
    unsigned running;
    co_time due; /* when the next is begun; valid if there is one */
    int first;   /* error of the first address */
};

void co__race_note(const struct co__race *race, size_t index,
                   const co_addr *addr, int error)
{
    co_dial_attempts *attempts = race->attempts;

    if (!attempts)
        return;
    if (attempts->count <= index)
        attempts->count = index + 1;
    if (attempts->list && index < attempts->max) {
        attempts->list[index].addr = *addr;
        attempts->list[index].error = error;
    }
}

/* RFC 8305, 4: the first address, then one of the other family, and so on. */
static void interlace(const co_addr *addrs, size_t count, const co_addr **out)
{
    int family = addrs[0].as.any.sa_family;
    size_t at[2] = {0, 0}; /* in the first one's family, and in the others' */

    for (size_t i = 0; i < count;) {
        for (int other = 0; other < 2; other++) {
            size_t k = at[other];

            while (k < count && (addrs[k].as.any.sa_family != family) != other)
                k++;
            if (k < count)
                out[i++] = &addrs[k++];
            at[other] = k;
        }
    }
}

/* ---- runners ------------------------------------------------------------- */

static void note(struct field *field, size_t index, int error)
{
    co__race_note(field->race, index, field->addrs[index], error);
    if (index == 0)
        field->first = error;
}

/* Give up all, but for one. */
static void stop_all(struct field *field, int winner)
{
    for (unsigned i = 0; i < field->running; i++) {
        if (field->runners[i].fd == winner)
            continue;
        co_close(field->runners[i].fd);
        note(field, field->runners[i].index, -ECANCELED);
    }
    field->running = 0;
}

/* Returns -EINPROGRESS, or an error, or a descriptor that is connected. */
static int begin(struct field *field, size_t index)
{
    const co_addr *addr = field->addrs[index];
    int family = addr->as.any.sa_family;
    int fd = co__sys_socket(family, SOCK_STREAM, 0);
    int r;

    if (fd < 0)
        return fd;
    r = co__net_prepare(fd, family, SOCK_STREAM, field->race->local);
    if (r == 0)
        r = co__connect_begin(fd, &addr->as.any, addr->len);
    if (r == -EINPROGRESS) {
        field->runners[field->running].fd = fd;
        field->runners[field->running].index = index;
        field->running++;
        return r;
    }
    if (r < 0) {
        co_close(fd);
        return r;
    }
    return fd;
}

/* Begin all whose time has come. Returns -EINPROGRESS, or a descriptor. */
static int begin_due(struct field *field)
{
    while (field->next < field->count && field->running < RUNNERS_MAX &&
           (!field->running || co_now() >= field->due)) {
        size_t index = field->next++;
        int r = begin(field, index);

        note(field, index, r >= 0 ? 0 : r);
        if (r >= 0)
            return r;
        if (r == -EINPROGRESS)
            field->due = co__time_add(co_now(), field->race->delay);
    }
    return -EINPROGRESS;
}

/* A runner's socket is writable. Returns as above. */
static int finish(struct field *field, unsigned i)
{
    struct runner runner = field->runners[i];
    const co_addr *addr = field->addrs[runner.index];
    int r = co__connect_outcome(runner.fd, &addr->as.any, addr->len);

    if (r == -EAGAIN)
        return -EINPROGRESS;
    note(field, runner.index, r);
    if (r == 0)
        return runner.fd;
    co_close(runner.fd);
    field->runners[i] = field->runners[--field->running];
    field->due = co_now();
    return -EINPROGRESS;
}

/* Until something happens. Returns as above, or why the caller's limits end
 * it. */
static int wait_for_any(struct field *field, int *limit)
{
    co_case cases[RUNNERS_MAX + 1];
    unsigned count = field->running;
    int i;

    for (unsigned k = 0; k < count; k++)
        cases[k] = CO_CASE_FD(field->runners[k].fd, CO_WRITABLE);
    if (field->next < field->count && count < RUNNERS_MAX)
        cases[count++] = CO_CASE_AT(field->due);
    i = co_select(cases, count);
    if (i < 0) {
        *limit = i;
        return -EINPROGRESS;
    }
    return (unsigned)i < field->running ? finish(field, (unsigned)i)
                                        : -EINPROGRESS;
}

/* The winner's descriptor, or an error. */
static int run(struct field *field)
{
    int limit = 0;
    int fd = begin_due(field);

    while (fd < 0 && limit == 0 && field->running) {
        fd = wait_for_any(field, &limit);
        if (fd < 0 && limit == 0)
            fd = begin_due(field);
    }
    stop_all(field, fd);
    if (fd < 0)
        return limit < 0 ? limit : field->first;
    return fd;
}

int co__race_run(const struct co__race *race, const co_addr *addrs,
                 size_t count)
{
    struct field field = {.race = race, .count = count};
    int fd, r;

    field.addrs = co__alloc(count * sizeof(const co_addr *));
    if (!field.addrs)
        return -ENOMEM;
    interlace(addrs, count, field.addrs);
    fd = run(&field);
    co__free(field.addrs);
    if (fd < 0)
        return fd;
    r = co_adopt(fd);
    if (r < 0) {
        co_close(fd);
        return r;
    }
    return fd;
}
