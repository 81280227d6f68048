/* SPDX-License-Identifier: MIT */
/* coppice.h - everything that Coppice offers, in one include. */
#ifndef COPPICE_H
#define COPPICE_H

#include <coppice/addr.h>
#include <coppice/alloc.h>
#include <coppice/base.h>
#include <coppice/cancel.h>
#include <coppice/chan.h>
#include <coppice/clock.h>
#include <coppice/dump.h>
#include <coppice/error.h>
#include <coppice/fd.h>
#include <coppice/future.h>
#include <coppice/loop.h>
#include <coppice/report.h>
#include <coppice/scope.h>
#include <coppice/socket.h>
#include <coppice/stack.h>
#include <coppice/task.h>

#endif
