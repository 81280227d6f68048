/* SPDX-License-Identifier: MIT */
/* See urgent.h: FreeBSD, NetBSD. */
#include "poll/urgent.h"

const short co__urgent_filter = 0;
const unsigned co__urgent_note = 0;
