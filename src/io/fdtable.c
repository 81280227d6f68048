/* SPDX-License-Identifier: MIT */
/*
 * What Coppice knows about descriptors.
 *
 * Each number has one word in the process: a generation, whether the descriptor
 * is ours, of what kind, and the loop that owns it. Making, accepting,
 * adopting, closing and releasing a descriptor each begin a new generation, on
 * whatever thread. A descriptor that was made outside any loop, or whose loop
 * has ended, has no owner until a loop uses it. Of one that is not ours the
 * word names the loop that has waited for it. The loop that a word names is
 * told when the descriptor is closed by somebody else.
 *
 * Each loop has a slot for every number that it has used: what it knows of the
 * readiness, and who waits. A slot remembers the generation that it was bound
 * to. So a number that was closed and is in use for something else, here or on
 * another thread, is recognised at the next call, by one load; and an event
 * that the poller had collected for the old descriptor carries the old
 * generation and is dropped.
 *
 * What a slot knows of readiness is kept for own descriptors alone. A foreign
 * one may be read, closed and its number reused by others without our seeing
 * it: it is tried at each call, and armed for each wait. Own ones are armed for
 * each wait, too, if the poller cannot watch.
 *
 * Words live in chunks that are never freed, so slots point at them. Slots do
 * not move either. Both are made when first needed.
 */
#include "io/fdtable.h"

#include "base/alloc.h"
#include "base/forks.h"
#include "base/thread.h"
#include "core/fdhook.h"
#include "core/registry.h"
#include "core/run.h"
#include "core/sched.h"
#include "io/ahead.h"
#include "io/buffer.h"
#include "io/splice.h"

#include <fcntl.h>
#include <string.h>

/* A word: generation << 32 | flags << 16 | owner. */
#define WORD_OWNER       ((uint64_t)(CO__LOOPS - 1))
#define WORD_FLAGS(word) ((unsigned)((word) >> 16) & 0xffu)
#define WORD_OTHERS      ((uint64_t)CO__FD_OTHERS << 16)

#define CO__LOOPS 16384u /* live at a time; owner 0 is nobody */

#define WORDS_BITS  12
#define WORDS       (1u << WORDS_BITS)
#define WORD_CHUNKS 8192u

static _Atomic(_Atomic(uint64_t) *) words[WORD_CHUNKS];

/* The loops by owner number. `maker` is the thread that made the loop: pointers
 * are compared, never followed, unless that is the calling thread itself. */
static struct {
    _Atomic(uint64_t) maker; /* see base/thread.h; 0: free */
    _Atomic(struct co_loop *) loop;
} owners[CO__LOOPS];

static atomic_uint owners_top; /* numbers above it were never given */
static uint32_t epoch;         /* forks so far on the way to this process */

/* ---- words --------------------------------------------------------------- */

static _Atomic(uint64_t) *word_of(int fd)
{
    uint32_t chunk = (uint32_t)fd >> WORDS_BITS;
    _Atomic(uint64_t) *w;

    if (chunk >= WORD_CHUNKS)
        return NULL;
    w = atomic_load_explicit(&words[chunk], memory_order_acquire);
    return w ? &w[(uint32_t)fd % WORDS] : NULL;
}

static CO_COLD _Atomic(uint64_t) *word_make(int fd)
{
    uint32_t chunk = (uint32_t)fd >> WORDS_BITS;
    _Atomic(uint64_t) *seen = NULL;
    _Atomic(uint64_t) *fresh;

    if (chunk >= WORD_CHUNKS)
        return NULL;
    fresh = co__map(WORDS * sizeof(*fresh));
    if (!fresh)
        return NULL;
    if (!atomic_compare_exchange_strong(&words[chunk], &seen, fresh)) {
        co__unmap(fresh, WORDS * sizeof(*fresh)); /* someone was faster */
        fresh = seen;
    }
    return &fresh[(uint32_t)fd % WORDS];
}

/* The word after a new generation has begun. */
static uint64_t next_gen(uint64_t word, unsigned flags)
{
    return ((word >> 32) + 1) << 32 | (uint64_t)flags << 16;
}

int co__fd_own(int fd, unsigned flags)
{
    _Atomic(uint64_t) *word = word_of(fd);
    uint64_t w;

    if (!word && !(word = word_make(fd)))
        return -ENOMEM;
    w = atomic_load(word);
    while (!atomic_compare_exchange_weak(word, &w, next_gen(w, flags)))
        continue;
    return 0;
}

unsigned co__fd_care(int fd, int *elsewhere)
{
    _Atomic(uint64_t) *word = word_of(fd);
    uint64_t w = word ? atomic_load(word) : 0;
    uint32_t mine = co__loop ? co__loop->fds->id : 0;

    *elsewhere = WORD_FLAGS(w) & CO__FD_OWN && (w & WORD_OWNER) &&
                 (w & WORD_OWNER) != mine;
    return WORD_FLAGS(w);
}

/* The owner of a word as a loop that this thread may touch now, held so that
 * no other thread starts it: our own loop between two runs. Else NULL. */
static struct co_loop *hold_idle(uint64_t owner)
{
    struct co_loop *loop;
    int idle = 0;

    if (atomic_load(&owners[owner].maker) != co__thread())
        return NULL;
    loop = atomic_load(&owners[owner].loop);
    if (!atomic_compare_exchange_strong(&loop->runs, &idle, 1))
        return NULL;
    if (co__poller_begin(loop) == 0)
        return loop;
    atomic_store(&loop->runs, 0);
    return NULL;
}

static void let_go(struct co_loop *loop)
{
    co__poller_end(loop);
    atomic_store(&loop->runs, 0);
}

/* ---- closed by others ---------------------------------------------------- */

/* What is no more: who waits is told, and no command keeps it open. */
static void drop_closed(void *arg)
{
    struct co_loop *loop = arg;
    struct co__fd_table *table = loop->fds;

    /* Either we see the generation, or who has ended it queues us again. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < table->chunk_count; i++)
        for (uint32_t k = 0; table->chunks[i] && k < CO__FD_CHUNK; k++) {
            struct co__fd_slot *slot = &table->chunks[i][k];

            if (slot->flags & CO__FD_SEEN && !co__fd_current(slot))
                co__fd_drop(loop, (int)(i * CO__FD_CHUNK + k), slot);
        }
}

/* Not in a child of fork, whose loops are those of its parent. */
static CO_COLD void tell_loops(uint64_t word)
{
    struct co_loop *loop;

    co__registry_lock();
    for (loop = co__registry_first(); loop; loop = loop->registry_next)
        if (loop != co__loop && loop->fds->forks == co__forks &&
            (WORD_FLAGS(word) & CO__FD_OTHERS ||
             loop->fds->id == (word & WORD_OWNER))) {
            if (loop->poller_ops->lapse)
                loop->poller_ops->lapse(loop->poller);
            (void)co_call_soon_threadsafe(loop, &loop->fds->closed);
        }
    co__registry_unlock();
}

int co__fd_lapsed(int fd, uint32_t gen)
{
    _Atomic(uint64_t) *word = word_of(fd);

    return word && (uint32_t)(atomic_load(word) >> 32) != gen;
}

/* A generation has ended, of which this was the word; `dropped`: the loop that
 * has dropped it. */
static void tell_waiters(uint64_t word, const struct co_loop *dropped)
{
    uint32_t id = dropped ? dropped->fds->id : 0;

    if (CO_UNLIKELY((word & WORD_OWNER) && ((word & WORD_OWNER) != id ||
                                            WORD_FLAGS(word) & CO__FD_OTHERS)))
        tell_loops(word);
}

/* A task of this loop waits for what is not ours. -EBADF: it was closed. */
static int note_waiter(struct co_loop *loop, struct co__fd_slot *slot)
{
    uint64_t w = atomic_load_explicit(slot->word, memory_order_relaxed);
    uint64_t id = loop->fds->id, noted;

    do {
        if ((uint32_t)(w >> 32) != slot->gen)
            return -EBADF;
        noted = w | ((w & WORD_OWNER) ? WORD_OTHERS : id);
        if ((w & WORD_OWNER) == id || noted == w)
            return 0;
    } while (!atomic_compare_exchange_weak(slot->word, &w, noted));
    return 0;
}

/* `whoever`: of another loop's, too, which drops it when it is told. */
static int end_generation(int fd, int whoever)
{
    struct co_loop *loop = co__loop;
    struct co_loop *held = NULL;
    _Atomic(uint64_t) *word = word_of(fd);
    struct co__fd_slot *slot;
    uint64_t w;

    if (!word)
        return 0; /* no loop has ever used it */
    w = atomic_load(word);
    if (WORD_FLAGS(w) & CO__FD_OWN && (w & WORD_OWNER) &&
        !(loop && loop->fds->id == (w & WORD_OWNER))) {
        held = hold_idle(w & WORD_OWNER);
        if (!held && !whoever)
            return -EPERM;
        if (held)
            loop = held;
    }
    slot = loop ? co__fd_find(loop, fd) : NULL;
    if (slot && slot->flags & CO__FD_SEEN)
        co__fd_drop(loop, fd, slot);
    while (!atomic_compare_exchange_weak(word, &w, next_gen(w, 0)))
        continue;
    tell_waiters(w, loop);
    if (held)
        let_go(held);
    return 0;
}

int co__fd_disown(int fd)
{
    return end_generation(fd, 0);
}

void co__fd_closing(int fd)
{
    (void)end_generation(fd, 1);
}

/* ---- slots --------------------------------------------------------------- */

static CO_COLD struct co__fd_slot *slot_make(struct co__fd_table *table, int fd)
{
    uint32_t chunk = (uint32_t)fd >> CO__FD_CHUNK_BITS;

    if (chunk >= table->chunk_count) {
        uint32_t count = table->chunk_count * 2 > chunk + 1
                             ? table->chunk_count * 2
                             : chunk + 1;
        struct co__fd_slot **chunks =
            co__realloc(table->chunks, count * sizeof(struct co__fd_slot *));

        if (!chunks)
            return NULL;
        memset(chunks + table->chunk_count, 0,
               (count - table->chunk_count) * sizeof(struct co__fd_slot *));
        table->chunks = chunks;
        table->chunk_count = count;
    }
    if (!table->chunks[chunk]) {
        table->chunks[chunk] =
            co__map(CO__FD_CHUNK * sizeof(struct co__fd_slot));
        if (!table->chunks[chunk])
            return NULL;
    }
    return &table->chunks[chunk][(uint32_t)fd % CO__FD_CHUNK];
}

/* Note in the slot what the number is now; waiters are left alone. */
static void bind(struct co_loop *loop, struct co__fd_slot *slot,
                 _Atomic(uint64_t) *word)
{
    uint32_t id = loop->fds->id;
    uint64_t w = atomic_load(word);

    /* Nobody's: the first loop that uses it owns it. */
    while (WORD_FLAGS(w) & CO__FD_OWN && !(w & WORD_OWNER) &&
           !atomic_compare_exchange_weak(word, &w, w | id))
        continue;
    if (WORD_FLAGS(w) & CO__FD_OWN && !(w & WORD_OWNER))
        w |= id;
    slot->word = word;
    slot->gen = (uint32_t)(w >> 32);
    slot->flags = CO__FD_SEEN;
    slot->ready = 0;
    slot->sticky = 0;
    if (WORD_FLAGS(w) & CO__FD_OWN && (w & WORD_OWNER) == id) {
        slot->flags |= (uint16_t)WORD_FLAGS(w);
        if (!co__commands(loop) || !co__fd_commanded(slot))
            slot->ready = CO_READABLE | CO_WRITABLE;
    }
}

int co__fd_slot(struct co_loop *loop, int fd, struct co__fd_slot **out)
{
    struct co__fd_slot *slot;
    _Atomic(uint64_t) *word;

    if (fd < 0)
        return -EBADF;
    slot = co__fd_find(loop, fd);
    if (!slot || !(slot->flags & CO__FD_SEEN) || !co__fd_current(slot)) {
        word = word_of(fd);
        if (!word) {
            /* No memory for numbers that nobody has. */
            if (fcntl(fd, F_GETFD) < 0)
                return -EBADF;
            word = word_make(fd);
        }
        if (!slot && word)
            slot = slot_make(loop->fds, fd);
        if (!slot || !word)
            return -ENOMEM;
        if (slot->flags & CO__FD_SEEN)
            co__fd_drop(loop, fd, slot);
        bind(loop, slot, word);
    }
    *out = slot;
    return 0;
}

void co__fd_rebind(struct co_loop *loop, int fd, struct co__fd_slot *slot)
{
    if (slot->flags & CO__FD_KNOWN)
        loop->poller_ops->unwatch(loop->poller, fd);
    bind(loop, slot, slot->word);
    co__fd_pass(slot, CO_READABLE);
    co__fd_pass(slot, CO_WRITABLE);
}

/* The kernel lets go of what is under way; it may have been done by then. */
static CO_COLD void forget_command(struct co_loop *loop,
                                   struct co__fd_slot *slot, int direction)
{
    struct co__fd_command *first = CO_CONTAINER_OF(
        co__fd_waiters(slot, direction)->head, struct co__fd_command, waiter);

    loop->poller_ops->forget(loop->poller, &first->command);
}

void co__fd_drop(struct co_loop *loop, int fd, struct co__fd_slot *slot)
{
    if (CO_UNLIKELY(slot->flags & CO__FD_BUSY(CO_READABLE)))
        forget_command(loop, slot, CO_READABLE);
    if (CO_UNLIKELY(slot->flags & CO__FD_BUSY(CO_WRITABLE)))
        forget_command(loop, slot, CO_WRITABLE);
    if (CO_UNLIKELY(slot->ahead))
        co__ahead_forget(loop, slot);
    if (slot->flags & CO__FD_KNOWN)
        loop->poller_ops->unwatch(loop->poller, fd);
    slot->flags = 0;
    slot->ready = 0;
    slot->drops++;
    co__waitlist_wake_all(&slot->waiters[0], -EBADF);
    co__waitlist_wake_all(&slot->waiters[1], -EBADF);
}

/* ---- readiness ----------------------------------------------------------- */

/*
 * Only the first is woken, since nobody else may try. If it is ready already
 * it passes on what it leaves, whatever made it ready. Of a descriptor that is
 * armed for each wait the next waiter is always woken: the event may have been
 * spent on the one that leaves.
 */
void co__fd_pass(struct co__fd_slot *slot, int direction)
{
    struct co__waiter *first = co__fd_waiters(slot, direction)->head;

    if (first && (slot->ready & direction || !(slot->flags & CO__FD_WATCHED)))
        co__wake(first->task, 0);
}

/* Whether somebody waits for the poller to report. */
static int waits(struct co__fd_slot *slot, int direction)
{
    return co__fd_waiters(slot, direction)->head &&
           !(slot->flags & CO__FD_BUSY(direction));
}

void co__fd_leave(struct co__fd_slot *slot, int fd, int direction,
                  struct co__waiter *waiter)
{
    struct co_loop *loop = waiter->task->loop;

    co__waitlist_remove(waiter);
    co__fd_pass(slot, direction);
    /* Others may close it, and mean it. And what nobody waits for any more is
     * not reported when it is no longer true. */
    if (CO_UNLIKELY(loop->poller_ops->holds_files) &&
        (slot->flags & (CO__FD_WATCHED | CO__FD_KNOWN)) == CO__FD_KNOWN &&
        !waits(slot, CO_READABLE) && !waits(slot, CO_WRITABLE)) {
        slot->flags &= (uint16_t)~CO__FD_KNOWN;
        loop->poller_ops->unwatch(loop->poller, fd);
    }
}

static int watch(struct co_loop *loop, struct co__fd_slot *slot, int fd)
{
    int r = loop->poller_ops->watch(loop->poller, fd, slot->gen);

    if (r == 0)
        slot->flags |= CO__FD_KNOWN | CO__FD_WATCHED;
    return r;
}

static int arm(struct co_loop *loop, struct co__fd_slot *slot, int fd,
               int directions)
{
    uint32_t mask = 0;
    int r;

    if (directions & CO_READABLE || waits(slot, CO_READABLE))
        mask |= CO__POLL_IN;
    if (directions & CO_WRITABLE || waits(slot, CO_WRITABLE))
        mask |= CO__POLL_OUT;
    if (slot->flags & CO__FD_SOCKET)
        mask |= CO__POLL_SURE;
    r = loop->poller_ops->arm(loop->poller, fd, slot->gen, mask);
    if (r == 0)
        slot->flags |= CO__FD_KNOWN;
    return r;
}

int co__fd_await(struct co_loop *loop, struct co__fd_slot *slot, int fd,
                 int directions)
{
    int r;

    if (slot->flags & CO__FD_WATCHED)
        return 0;
    if (!(slot->flags & CO__FD_OWN) && (r = note_waiter(loop, slot)) < 0)
        return r;
    if (slot->flags & CO__FD_OWN && loop->poller_ops->watch &&
        !(co__commands(loop) && co__fd_commanded(slot)))
        r = watch(loop, slot, fd);
    else
        r = arm(loop, slot, fd, directions);
    return r == -EPERM ? -EAGAIN : r;
}

/* The event that was armed is spent; arm again for who waits the other way. */
static void rearm(struct co_loop *loop, struct co__fd_slot *slot, int fd)
{
    for (int i = 0; i < 2; i++) {
        int direction = i ? CO_WRITABLE : CO_READABLE;
        struct co__waiter *first = slot->waiters[i].head;

        if (slot->ready & direction || !waits(slot, direction))
            continue;
        /* Failing that, the waiter finds out by itself. */
        if (loop->poller_ops->arm(loop->poller, fd, slot->gen,
                                  i ? CO__POLL_OUT : CO__POLL_IN) < 0)
            co__wake(first->task, 0);
    }
}

void co__fd_ready(struct co_loop *loop, int fd, uint32_t gen, uint32_t mask)
{
    struct co__fd_slot *slot = co__fd_find(loop, fd);

    if (!slot || !(slot->flags & CO__FD_SEEN) || slot->gen != gen)
        return;
    if (mask & ~CO__POLL_OUT)
        slot->ready |= CO_READABLE | CO__FD_FRESH(CO_READABLE);
    if (mask & (CO__POLL_OUT | CO__POLL_HUP | CO__POLL_ERR))
        slot->ready |= CO_WRITABLE | CO__FD_FRESH(CO_WRITABLE);
    slot->sticky |= (uint8_t)(mask & ~(CO__POLL_IN | CO__POLL_OUT));
    if (!(slot->flags & CO__FD_WATCHED))
        rearm(loop, slot, fd);
    if (slot->ready & CO_READABLE)
        co__fd_pass(slot, CO_READABLE);
    if (slot->ready & CO_WRITABLE)
        co__fd_pass(slot, CO_WRITABLE);
}

/* ---- the loop's hooks ---------------------------------------------------- */

static uint32_t take_id(struct co_loop *loop)
{
    for (uint32_t id = 1; id < CO__LOOPS; id++) {
        uint64_t nobody = 0;

        if (!atomic_compare_exchange_strong(&owners[id].maker, &nobody,
                                            co__thread()))
            continue;
        atomic_store(&owners[id].loop, loop);
        unsigned top = atomic_load(&owners_top);
        while (top < id && !atomic_compare_exchange_weak(&owners_top, &top, id))
            continue;
        return id;
    }
    return 0;
}

int co__fds_open(struct co_loop *loop)
{
    struct co__fd_table *table = co__alloc_zero(sizeof(*table));

    if (!table)
        return -ENOMEM;
    table->id = take_id(loop);
    if (!table->id) {
        co__free(table);
        return -EMFILE;
    }
    table->epoch = epoch;
    table->forks = co__forks;
    table->closed.fn = drop_closed;
    table->closed.arg = loop;
    loop->fds = table;
    return 0;
}

void co__fds_rest(struct co_loop *loop)
{
    if (CO_UNLIKELY(loop->fds->aheads_count))
        co__ahead_rest(loop);
    co__splice_rest(loop->fds);
    co__buffers_rest(loop->fds);
}

/* Nobody's again, unless it has changed hands since. */
static void give_up(struct co__fd_slot *slot, uint32_t id)
{
    uint64_t w;

    if (!(slot->flags & CO__FD_SEEN) || !(slot->flags & CO__FD_OWN))
        return;
    w = atomic_load(slot->word);
    while ((uint32_t)(w >> 32) == slot->gen && (w & WORD_OWNER) == id &&
           !atomic_compare_exchange_weak(slot->word, &w, w & ~WORD_OWNER))
        continue;
}

void co__fds_close(struct co_loop *loop)
{
    struct co__fd_table *table = loop->fds;
    int here = table->epoch == epoch;

    co__ahead_close(table);
    co__splice_rest(table);
    co__buffers_rest(table);
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        struct co__fd_slot *chunk = table->chunks[i];

        for (uint32_t k = 0; here && chunk && k < CO__FD_CHUNK; k++)
            give_up(&chunk[k], table->id);
        co__unmap(chunk, CO__FD_CHUNK * sizeof(*chunk));
    }
    co__free(table->chunks);
    if (here)
        atomic_store(&owners[table->id].maker, 0);
    co__free(table);
    loop->fds = NULL;
}

void co__fds_abandon(struct co_loop *loop)
{
    if (loop) {
        co__ahead_close(loop->fds);
        co__splice_rest(loop->fds);
        co__buffers_rest(loop->fds);
    }
    epoch++;
    for (unsigned id = 1; id <= atomic_load(&owners_top); id++)
        atomic_store(&owners[id].maker, 0);
    for (uint32_t i = 0; i < WORD_CHUNKS; i++) {
        _Atomic(uint64_t) *chunk = atomic_load(&words[i]);

        for (uint32_t k = 0; chunk && k < WORDS; k++)
            if (atomic_load(&chunk[k]) & WORD_OWNER)
                atomic_fetch_and(&chunk[k], ~WORD_OWNER);
    }
}
