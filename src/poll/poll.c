/* SPDX-License-Identifier: MIT */
/*
 * The reactor of poll(2): the floor, for systems and sandboxes that have
 * nothing better.
 *
 * poll(2) tells levels, and is handed everything at each wait. So it is asked
 * only for what a task waits for at the moment: there is no watch, every
 * descriptor is armed for each wait, and its event takes it out again. What is
 * armed lies side by side in one array for the kernel; a second one, by number,
 * says where. Arming and taking out cost the same however many there are; a
 * wait costs 60 ns for each of a few hundred, 300 ns for each of 9,000.
 *
 * Urgent data is not asked for: it would be told again and again until it is
 * read, and levels need no warning that a read may stop short.
 *
 * The kernel refuses to look at more descriptors than the process may have open
 * (RLIMIT_NOFILE): who lowers that below what is open already stops this
 * reactor.
 */
#include "poll/poll.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/system.h"
#include "base/wait.h"
#include "poll/wake.h"
#include "poll/watches.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Places in the array that are the poller's own. */
enum {
    PLACE_WAKE,
    PLACE_WATCHES,
    PLACES_OWN,
};

#define ROOM_MIN 64

/* Of a number. */
struct entry {
    uint32_t place; /* 0: it is not armed */
    uint32_t gen;
};

struct co__poller {
    struct co_loop *loop;
    struct co__wake wake;
    struct co__watches watches;
    struct pollfd *fds;
    uint32_t count; /* of `fds`, the own ones, too */
    uint32_t room;
    struct entry *entries; /* by number */
    uint32_t entry_count;
};

/* Make an array at least `wanted` long, the new part zero. */
static void *grow(void *array, uint32_t *count, uint32_t wanted, size_t size)
{
    uint32_t room = *count ? *count : ROOM_MIN;
    void *grown;

    while (room < wanted)
        room *= 2;
    grown = co__realloc(array, room * size);
    if (!grown)
        return NULL;
    memset((char *)grown + *count * size, 0, (room - *count) * size);
    *count = room;
    return grown;
}

static int poll_open(struct co_loop *loop, struct co__poller **out)
{
    struct co__poller *poller = co__alloc_zero(sizeof(*poller));
    int r;

    if (!poller)
        return -ENOMEM;
    poller->loop = loop;
    co__watches_init(&poller->watches);
    poller->fds = grow(NULL, &poller->room, ROOM_MIN, sizeof(*poller->fds));
    if (!poller->fds) {
        r = -ENOMEM;
        goto free_poller;
    }
    r = co__wake_open(&poller->wake);
    if (r < 0)
        goto free_fds;
    poller->fds[PLACE_WAKE].fd = poller->wake.fd;
    poller->fds[PLACE_WAKE].events = POLLIN;
    poller->fds[PLACE_WATCHES].fd = -1;
    poller->fds[PLACE_WATCHES].events = POLLIN;
    poller->count = PLACES_OWN;
    *out = poller;
    return 0;

free_fds:
    co__free(poller->fds);
free_poller:
    co__free(poller);
    return r;
}

static void poll_close(struct co__poller *poller)
{
    co__watches_close(&poller->watches);
    co__wake_close(&poller->wake);
    co__free(poller->entries);
    co__free(poller->fds);
    co__free(poller);
}

/* ---- descriptors --------------------------------------------------------- */

/* Whether there is something to wait for: poll(2) itself says of a file that it
 * is ready, and of a number that is not open only at the wait. */
static int check(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)
               ? -EPERM
               : 0;
}

static int make_room(struct co__poller *poller, int fd)
{
    if ((uint32_t)fd >= poller->entry_count) {
        struct entry *entries =
            grow(poller->entries, &poller->entry_count, (uint32_t)fd + 1,
                 sizeof(*poller->entries));

        if (!entries)
            return -ENOMEM;
        poller->entries = entries;
    }
    if (poller->count == poller->room) {
        struct pollfd *fds = grow(poller->fds, &poller->room, poller->count + 1,
                                  sizeof(*poller->fds));

        if (!fds)
            return -ENOMEM;
        poller->fds = fds;
    }
    return 0;
}

static int poll_arm(struct co__poller *poller, int fd, uint32_t gen,
                    uint32_t mask)
{
    struct entry *entry;
    struct pollfd *place;
    int r = check(fd);

    if (r == 0)
        r = make_room(poller, fd);
    if (r < 0)
        return r;
    entry = &poller->entries[fd];
    if (!entry->place)
        entry->place = poller->count++;
    entry->gen = gen;
    place = &poller->fds[entry->place];
    place->fd = fd;
    place->events = 0;
    place->revents = 0;
    if (mask & CO__POLL_IN)
        place->events |= (short)(POLLIN | POLLRDHUP);
    if (mask & CO__POLL_OUT)
        place->events |= POLLOUT;
    return 0;
}

/* The last takes the place. */
static void take_out(struct co__poller *poller, uint32_t place)
{
    uint32_t last = --poller->count;

    CO_ASSERT(place >= PLACES_OWN && place <= last);
    poller->entries[poller->fds[place].fd].place = 0;
    if (place == last)
        return;
    poller->fds[place] = poller->fds[last];
    poller->entries[poller->fds[place].fd].place = place;
}

static void poll_unwatch(struct co__poller *poller, int fd)
{
    if (fd >= 0 && (uint32_t)fd < poller->entry_count &&
        poller->entries[fd].place)
        take_out(poller, poller->entries[fd].place);
}

/* ---- processes and signals ----------------------------------------------- */

static int see_watches(struct co__poller *poller)
{
    int r = co__watches_open(&poller->watches);

    poller->fds[PLACE_WATCHES].fd = poller->watches.fd;
    return r;
}

static int poll_watch_process(struct co__poller *poller,
                              struct co__poll_watch *watch, pid_t pid)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_process(&poller->watches, watch, pid);
}

static int poll_watch_signal(struct co__poller *poller,
                             struct co__poll_watch *watch, int signo)
{
    int r = see_watches(poller);

    return r < 0 ? r : co__watches_signal(&poller->watches, watch, signo);
}

static void poll_end_watch(struct co__poller *poller,
                           struct co__poll_watch *watch)
{
    co__watches_end(&poller->watches, watch);
}

/* ---- waiting ------------------------------------------------------------- */

static uint32_t mask_of(short events)
{
    uint32_t mask = 0;

    /* Not open any more (POLLNVAL): let the tries find out. */
    if (events & (POLLERR | POLLNVAL))
        mask |= CO__POLL_IN | CO__POLL_OUT | CO__POLL_ERR;
    if (events & POLLHUP)
        mask |= CO__POLL_IN | CO__POLL_OUT | CO__POLL_HUP;
    if (events & POLLRDHUP)
        mask |= CO__POLL_IN | CO__POLL_RDHUP;
    if (events & POLLIN)
        mask |= CO__POLL_IN;
    if (events & POLLOUT)
        mask |= CO__POLL_OUT;
    return mask;
}

/* Report `n` events. A report may arm: that appends to the array, without an
 * event of its own, and may move it. */
static void report(struct co__poller *poller, int n)
{
    uint32_t place = PLACES_OWN;

    while (n > 0 && place < poller->count) {
        struct pollfd event = poller->fds[place];
        uint32_t gen;

        if (!event.revents) {
            place++;
            continue;
        }
        gen = poller->entries[event.fd].gen;
        take_out(poller, place); /* another has this place now */
        n--;
        co__fd_ready(poller->loop, event.fd, gen, mask_of(event.revents));
    }
}

static int poll_wait(struct co__poller *poller, co_time now, co_time deadline)
{
    co_time limit = deadline == CO_NEVER ? CO_NEVER
                    : deadline > now     ? deadline - now
                                         : 0;
    int n = co__poll(poller->fds, poller->count, limit);
    int reported = n;

    if (n <= 0)
        return 0;
    if (poller->fds[PLACE_WAKE].revents) {
        co__wake_take(&poller->wake);
        n--;
        reported--;
    }
    if (poller->fds[PLACE_WATCHES].revents) {
        n--;
        reported += co__watches_fire(&poller->watches) - 1;
    }
    report(poller, n);
    return reported;
}

static void poll_pause(struct co__poller *poller, co_time limit)
{
    co__wake_pause(&poller->wake, limit);
}

static void poll_wake(struct co__poller *poller)
{
    co__wake_send(&poller->wake);
}

static int poll_fd(const struct co__poller *poller)
{
    (void)poller;
    return -ENOTSUP;
}

const struct co__poller_ops co__poller_poll = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .arm = poll_arm,
    .unwatch = poll_unwatch,
    .watch_process = poll_watch_process,
    .watch_signal = poll_watch_signal,
    .end_watch = poll_end_watch,
    .wait = poll_wait,
    .pause = poll_pause,
    .wake = poll_wake,
    .fd = poll_fd,
    .abandon = poll_close, /* the kernel remembers nothing */
};
