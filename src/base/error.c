/* SPDX-License-Identifier: MIT */
#include <coppice/error.h>

#include "base/sys.h"

#include <limits.h>

const char *co_error_name(int error)
{
    const char *name;

    if (error == 0)
        return "OK";
    if (error == INT_MIN)
        return "E?"; /* it cannot be negated */
    name = co__sys_error_name(error < 0 ? -error : error);
    return name ? name : "E?";
}

const char *co_version(void)
{
    return CO__STR(COPPICE_VERSION_MAJOR) "." CO__STR(
        COPPICE_VERSION_MINOR) "." CO__STR(COPPICE_VERSION_PATCH);
}
