/* SPDX-License-Identifier: MIT */
/* io/scheme.h - the schemes of URLs that others have added to co_dial. */
#ifndef CO_IO_SCHEME_H
#define CO_IO_SCHEME_H

#include <coppice/dial.h>

/* 0, or -EINVAL. */
int co__scheme_check(const co_dial_scheme *scheme);

/* The one of this name, of len bytes: `also`, which may be NULL, or one that is
 * registered; or NULL. */
const co_dial_scheme *co__scheme_find(const char *name, size_t len,
                                      const co_dial_scheme *also);

#endif
