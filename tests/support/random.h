/* SPDX-License-Identifier: MIT */
/* support/random.h - numbers that are the same in every run: a failure that a
 * random test finds can be seen again. */
#ifndef CO_TESTS_SUPPORT_RANDOM_H
#define CO_TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

struct co_test_random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t co_test_random_next(struct co_test_random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In 0 ... limit - 1. */
static inline uint32_t co_test_random_below(struct co_test_random *random,
                                            uint32_t limit)
{
    return (uint32_t)((co_test_random_next(random) >> 32) * limit >> 32);
}

/* In 0 ... 2^62 - 1, each power of two as likely as the next. */
static inline int64_t co_test_random_log(struct co_test_random *random)
{
    unsigned bits = 1 + co_test_random_below(random, 62);

    return (int64_t)(co_test_random_next(random) >> (64 - bits));
}

#endif
