/* SPDX-License-Identifier: MIT */
/*
 * coppice/protocol.h - what a transport (transport.h) calls: a connection, a
 * descriptor of datagrams, a process, in the style of callbacks. Most programs
 * are simpler with tasks and streams; this is for code that comes from such
 * callbacks, and for parsers that are fed.
 *
 * The calls of a transport come one at a time, each when the one before has
 * returned but for pause_writing, which a write may cause while another call is
 * running. In them, what would suspend fails with -EPERM: they may write to any
 * transport, spawn tasks, and set futures. Any of them may be NULL.
 */
#ifndef COPPICE_PROTOCOL_H
#define COPPICE_PROTOCOL_H

#include <coppice/base.h>

#include <sys/socket.h>

CO_BEGIN_DECLS

typedef struct co_transport co_transport;

typedef struct co_protocol {
    size_t size; /* sizeof(co_protocol) */

    /* The first call, and the last: `error` is 0 if the peer has ended the
     * stream or the transport was closed or aborted here, else why it is lost
     * (-ECANCELED: its loop ends). When it returns the transport is gone. */
    void (*connection_made)(co_transport *transport, void *arg);
    void (*connection_lost)(co_transport *transport, void *arg, int error);

    /* What has come, valid until the call returns. */
    void (*data_received)(co_transport *transport, void *arg, const void *data,
                          size_t len);
    /* Instead of data_received: where to put what comes, *room bytes, 1 at
     * least; `hint` is how many would be good, or 0. Then how many it were. */
    void *(*get_buffer)(co_transport *transport, void *arg, size_t hint,
                        size_t *room);
    void (*buffer_updated)(co_transport *transport, void *arg, size_t len);
    /* Nothing more comes. 0, or without this call: the transport is closed.
     * Else it stays open for writing, until it is closed. */
    int (*eof_received)(co_transport *transport, void *arg);

    /* More is buffered than the high-water mark; and: no more than the low one
     * again. */
    void (*pause_writing)(co_transport *transport, void *arg);
    void (*resume_writing)(co_transport *transport, void *arg);

    /* Of datagrams. An error of one of them (such as -ECONNREFUSED, from an
     * earlier one's receiver) ends nothing. */
    void (*datagram_received)(co_transport *transport, void *arg,
                              const void *data, size_t len,
                              const struct sockaddr *from, socklen_t from_len);
    void (*error_received)(co_transport *transport, void *arg, int error);

    /* Of a process: what it has written to its standard descriptor `which`, 1
     * or 2; that the pipe of one of the three is lost, `error` as above (0: it
     * has closed its end); that it has ended: co_process_try_wait tells how.
     * The end of the process and those of its pipes come in any order;
     * connection_lost is behind all of them. */
    void (*pipe_data_received)(co_transport *transport, void *arg, int which,
                               const void *data, size_t len);
    void (*pipe_connection_lost)(co_transport *transport, void *arg, int which,
                                 int error);
    void (*process_exited)(co_transport *transport, void *arg);
} co_protocol;

CO_END_DECLS

#endif
