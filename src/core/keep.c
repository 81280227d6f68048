/* SPDX-License-Identifier: MIT */
#include "core/keep.h"

const struct co__keeper *co__keeper;
uint16_t co__keep_flag;

void co__keep(const struct co__keeper *keeper)
{
    struct co_task *self = co_self();

    co__keeper = keeper;
    co__keep_flag = CO__FLAG_KEEPS;
    if (self)
        self->flags |= CO__FLAG_KEEPS;
}
