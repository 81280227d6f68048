/* SPDX-License-Identifier: MIT */
/*
 * coppice/error.h - errors are negative errno values: a result of 0 or more is
 * success, -EXXX says what went wrong, end of file is 0. Functions that make an
 * object return NULL and set errno instead.
 */
#ifndef COPPICE_ERROR_H
#define COPPICE_ERROR_H

#include <coppice/base.h>

#include <errno.h>

CO_BEGIN_DECLS

/*
 * The name of an error, "ECANCELED" for -ECANCELED (either sign is accepted);
 * "OK" for 0 and "E?" for what has no name. The string is static.
 *
 * Suspends: never. Thread-safe: yes.
 */
CO_API const char *co_error_name(int error);

CO_END_DECLS

#endif
