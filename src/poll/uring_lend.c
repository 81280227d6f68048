/* SPDX-License-Identifier: MIT */
/*
 * Buffers for what is received, lent to the kernel: a ring of them, out of
 * which it takes one when bytes have come, so that who waits for them has none
 * (io_uring_register_buf_ring(3), Linux 5.19). With the bytes a buffer goes to
 * who waited.
 *
 * There are as many as calls wait, so that one stream has one that stays in the
 * caches, up to COUNT. Of more calls that many can end in one turn; the others
 * whose bytes come then are told that there is none.
 */
#include "core/command.h"
#include "poll/uring.h"

#include "base/alloc.h"

#include <errno.h>

#define COUNT 256u /* a power of two */
#define GROUP 0

#define RING_BYTES (COUNT * sizeof(struct io_uring_buf))

struct co__uring_lent {
    struct io_uring_buf_ring *ring; /* mapped: the kernel wants whole pages */
    void *buffers[COUNT];           /* by their ids; NULL: it is spare */
    uint16_t spare[COUNT];          /* ids without a buffer */
    unsigned spares;
    unsigned waiting; /* commands under way */
};

_Static_assert(COUNT <= UINT16_MAX, "ids are 16 bits");

static void give(struct co__uring_lent *lent, unsigned id)
{
    io_uring_buf_ring_add(lent->ring, lent->buffers[id], CO__LENT_BYTES,
                          (unsigned short)id, io_uring_buf_ring_mask(COUNT), 0);
    io_uring_buf_ring_advance(lent->ring, 1);
}

static CO_COLD int lent_make(struct co__poller *poller)
{
    struct io_uring_buf_reg registration = {.ring_entries = COUNT,
                                            .bgid = GROUP};
    struct co__uring_lent *lent;
    int r = -EOPNOTSUPP;

    if (poller->lends_none)
        return r;
    lent = co__alloc_zero(sizeof(*lent));
    if (!lent)
        return -ENOBUFS;
    lent->ring = co__map(RING_BYTES);
    if (!lent->ring) {
        r = -ENOBUFS;
        goto free_lent;
    }
    registration.ring_addr = (uintptr_t)lent->ring;
    if (io_uring_register_buf_ring(&poller->ring, &registration, 0) < 0) {
        poller->lends_none = 1;
        goto unmap_ring;
    }
    io_uring_buf_ring_init(lent->ring);
    for (unsigned id = 0; id < COUNT; id++)
        lent->spare[lent->spares++] = (uint16_t)id;
    poller->lent = lent;
    return 0;

unmap_ring:
    co__unmap(lent->ring, RING_BYTES);
free_lent:
    co__free(lent);
    return r;
}

int co__uring_lend(struct co__poller *poller)
{
    struct co__uring_lent *lent;
    unsigned id;
    int r = poller->lent ? 0 : lent_make(poller);

    if (CO_UNLIKELY(r < 0))
        return r;
    lent = poller->lent;
    if (lent->spares && COUNT - lent->spares <= lent->waiting) {
        id = lent->spare[lent->spares - 1];
        lent->buffers[id] = co__lend();
        if (CO_LIKELY(lent->buffers[id] != NULL)) {
            lent->spares--;
            give(lent, id);
        } else if (lent->spares == COUNT) {
            return -ENOBUFS;
        }
    }
    lent->waiting++;
    return 0;
}

void co__uring_lent_back(struct co__poller *poller,
                         const struct co__command *command, int result,
                         unsigned flags)
{
    struct co__uring_lent *lent = poller->lent;
    unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

    lent->waiting--;
    if (!(flags & IORING_CQE_F_BUFFER))
        return;
    if (result > 0) {
        *(void **)command->data = lent->buffers[id];
        lent->buffers[id] = NULL;
        lent->spare[lent->spares++] = (uint16_t)id;
    } else { /* nothing has come */
        give(lent, id);
    }
}

void co__uring_lent_free(struct co__uring_lent *lent)
{
    if (!lent)
        return;
    for (unsigned id = 0; id < COUNT; id++)
        co__free(lent->buffers[id]);
    co__unmap(lent->ring, RING_BYTES);
    co__free(lent);
}

void co__uring_unlend(struct co__poller *poller)
{
    if (!poller->lent)
        return;
    io_uring_unregister_buf_ring(&poller->ring, GROUP);
    co__uring_lent_free(poller->lent);
    poller->lent = NULL;
}
