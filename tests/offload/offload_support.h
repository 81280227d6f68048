/* SPDX-License-Identifier: MIT */
/* What the tests of pools share: jobs that stay where they are until they are
 * let go. */
#ifndef CO_TESTS_OFFLOAD_SUPPORT_H
#define CO_TESTS_OFFLOAD_SUPPORT_H

#include "support/tasks.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#endif
