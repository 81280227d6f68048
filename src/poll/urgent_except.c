/* SPDX-License-Identifier: MIT */
/* See urgent.h: macOS, OpenBSD, DragonFly. */
#include "poll/urgent.h"

#include <sys/types.h>

#include <sys/event.h>

const short co__urgent_filter = EVFILT_EXCEPT;
const unsigned co__urgent_note = NOTE_OOB;
