/* SPDX-License-Identifier: MIT */
/* coppice.h - everything that Coppice offers, in one include. */
#ifndef COPPICE_H
#define COPPICE_H

#include <coppice/addr.h>
#include <coppice/alloc.h>
#include <coppice/barrier.h>
#include <coppice/base.h>
#include <coppice/call.h>
#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/chan.h>
#include <coppice/clock.h>
#include <coppice/cond.h>
#include <coppice/copy.h>
#include <coppice/dgram.h>
#include <coppice/dial.h>
#include <coppice/dns.h>
#include <coppice/dump.h>
#include <coppice/embed.h>
#include <coppice/error.h>
#include <coppice/event.h>
#include <coppice/factory.h>
#include <coppice/fd.h>
#include <coppice/file.h>
#include <coppice/future.h>
#include <coppice/gather.h>
#include <coppice/generator.h>
#include <coppice/group.h>
#include <coppice/local.h>
#include <coppice/loop.h>
#include <coppice/mutex.h>
#include <coppice/once.h>
#include <coppice/paths.h>
#include <coppice/pipe.h>
#include <coppice/process.h>
#include <coppice/procpool.h>
#include <coppice/protocol.h>
#include <coppice/queue.h>
#include <coppice/reader.h>
#include <coppice/report.h>
#include <coppice/rwlock.h>
#include <coppice/scope.h>
#include <coppice/select.h>
#include <coppice/sem.h>
#include <coppice/server.h>
#include <coppice/signal.h>
#include <coppice/socket.h>
#include <coppice/stack.h>
#include <coppice/stream.h>
#include <coppice/stream_ops.h>
#include <coppice/task.h>
#include <coppice/threadpool.h>
#include <coppice/transport.h>
#include <coppice/waitgroup.h>

#endif
