/* SPDX-License-Identifier: MIT */
/* base/forks.h - whether something was made in this process. */
#ifndef CO_BASE_FORKS_H
#define CO_BASE_FORKS_H

/* How many forks lie between the process that made the first loop and this
 * one: what was made at another count is the parent's. */
extern unsigned co__forks;

#endif
