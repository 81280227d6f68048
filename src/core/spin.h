/* SPDX-License-Identifier: MIT */
/*
 * core/spin.h - looking a little while before going to sleep, where another
 * thread ends the wait. To sleep and to be woken costs several microseconds on
 * both sides; a thread that answers at once needs a fraction of that.
 *
 * It learns. A spin lasts a few times as long as those that paid lately, and at
 * most CO__SPIN_MOST. Each one that did not pay makes the next ones rarer by
 * half, so that waits that are long cost next to nothing more; one that paid
 * makes them all spin again.
 *
 * Between looks the processor is offered to others: the thread that is waited
 * for may stand in line for this very one, behind us. On a machine with more to
 * do than processors that alone is faster than sleeping.
 */
#ifndef CO_CORE_SPIN_H
#define CO_CORE_SPIN_H

#include "base/clock.h"
#include "base/compiler.h"

#include <sched.h>

#define CO__SPIN_MOST   (40 * CO_US)
#define CO__SPIN_LEAST  (4 * CO_US)
#define CO__SPIN_RARELY 256 /* waits, one of which tries again */
#define CO__SPIN_LOOKS  16  /* between two looks at the clock */

/* All zero: has learned nothing. */
struct co__spin {
    uint32_t rest;  /* waits until the next that spins */
    uint32_t every; /* what `rest` was last */
    co_time usual;  /* how long those took that paid, an average */
};

/* Whether this wait is to spin. */
CO_INLINE int co__spin_wanted(struct co__spin *spin)
{
    if (spin->rest > 0) {
        spin->rest--;
        return 0;
    }
    return !co__clock_virtual;
}

/* It took so long. Longer than `most`, and it did not pay: also if the answer
 * came, because others had the processor meanwhile. */
CO_INLINE void co__spin_learn(struct co__spin *spin, co_time took, co_time most)
{
    if (took < most) {
        spin->every = 0;
        spin->usual += (took - spin->usual) / 8 + 1;
        return;
    }
    spin->every = spin->every ? spin->every * 2 : 1;
    if (spin->every > CO__SPIN_RARELY)
        spin->every = CO__SPIN_RARELY;
    spin->rest = spin->every;
    spin->usual = 0;
}

/*
 * Look until done(arg), no longer than until `deadline`. Returns whether it is
 * done.
 */
CO_INLINE int co__spin(struct co__spin *spin, int (*done)(void *arg), void *arg,
                       co_time deadline)
{
    co_time start = co__clock_read(), now = start;
    co_time most =
        spin->usual ? CO__SPIN_LEAST + 4 * spin->usual : CO__SPIN_MOST;

    if (most > CO__SPIN_MOST)
        most = CO__SPIN_MOST;
    if (most > deadline - start)
        most = deadline - start;
    do {
        for (int i = 0; i < CO__SPIN_LOOKS; i++) {
            if (done(arg)) {
                co__spin_learn(spin, now - start, most);
                return 1;
            }
            co__relax();
        }
        sched_yield();
        now = co__clock_read();
    } while (now - start < most);
    co__spin_learn(spin, now - start, most);
    return 0;
}

#endif
