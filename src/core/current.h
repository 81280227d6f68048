/* SPDX-License-Identifier: MIT */
/* core/current.h - the loop of a thread; for libcoppice-hook, too. */
#ifndef CO_CORE_CURRENT_H
#define CO_CORE_CURRENT_H

#include <coppice/base.h>

#include "base/compiler.h"

struct co_loop;

/* The loop that runs on this thread, or NULL. */
extern CO_API CO_TLS struct co_loop *co__loop;

#endif
