/* SPDX-License-Identifier: MIT */
/*
 * base/system.h - what differs between systems and can be told at compile time.
 * What is called differently is in base/sys.h and base/wait.h, in core/vm.h,
 * io/sys.h and offload/sys.h, with one file a system.
 */
#ifndef CO_BASE_SYSTEM_H
#define CO_BASE_SYSTEM_H

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>

/* Flags of recv(2) and send(2) that change nothing where they are not known. */
#ifndef MSG_MORE
#define MSG_MORE 0
#endif
#ifndef MSG_ERRQUEUE
#define MSG_ERRQUEUE 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

/* What poll(2) reports of the end of the peer's side; 0 where it does not. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* The name is there, and has no such address; some do not tell. */
#ifndef EAI_NODATA
#define EAI_NODATA 0
#endif
#ifndef EAI_ADDRFAMILY
#define EAI_ADDRFAMILY 0
#endif

/* Whether send(2) heeds MSG_DONTWAIT. On macOS recv(2) alone does. */
#if defined(__APPLE__)
#define CO_SEND_DONTWAIT 0
#else
#define CO_SEND_DONTWAIT 1
#endif

/* Whether a second connect(2) tells how the first one went. It may also begin
 * another attempt. */
#if defined(__linux__)
#define CO_CONNECT_TELLS 1
#else
#define CO_CONNECT_TELLS 0
#endif

/* Whether unix sockets can have names that are no paths, unix(7). */
#if defined(__linux__)
#define CO_UNIX_ABSTRACT 1
#else
#define CO_UNIX_ABSTRACT 0
#endif

/* Bytes of an address up to the end of its family, which some systems have
 * behind a length. */
#define CO_SOCKADDR_LEAST offsetof(struct sockaddr, sa_data)

/* Whether a signal, as its handler sees it, may be the processor's doing, and
 * whether somebody may have sent it. macOS does not tell. */
#if defined(__APPLE__)
#define co__signal_is_fault(info) ((info)->si_code > 0)
#define co__signal_is_sent(info)  ((void)(info), 1)
#else
#define co__signal_is_fault(info) (!co__signal_is_sent(info))
#if defined(__linux__)
#define co__signal_is_sent(info) ((info)->si_code <= 0)
#else /* SI_USER and its like are above 0 on the BSDs */
#define co__signal_is_sent(info)                                               \
    ((info)->si_code <= 0 || (info)->si_code == SI_USER ||                     \
     (info)->si_code == SI_QUEUE)
#endif
#endif

#endif
