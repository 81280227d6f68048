/* SPDX-License-Identifier: MIT */
#include "base/forks.h"

unsigned co__forks;
