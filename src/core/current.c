/* SPDX-License-Identifier: MIT */
#include "core/current.h"

#include "core/loop.h"

struct co_task co__outside = {.name = "outside tasks", .site = "?"};
static struct co_loop none = {.self = &co__outside, .now = CO_NEVER};

CO_TLS struct co_loop *co__loop;
CO_TLS struct co_loop *co__loop_or_none = &none;

void co__loop_set(struct co_loop *loop)
{
    co__loop = loop;
    co__loop_or_none = loop ? loop : &none;
}
