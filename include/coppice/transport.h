/* SPDX-License-Identifier: MIT */
/*
 * coppice/transport.h - a stream, a socket of datagrams, or a process, that
 * calls the functions of a protocol (protocol.h) and takes writes without
 * waiting: what cannot be handed on at once is buffered. Tasks of the library's
 * read and write; they do not keep co_run from ending.
 *
 * A transport frees itself: it is valid until connection_lost returns. All of
 * it belongs to the loop that it was started in, and may be called from tasks
 * and callbacks of that.
 */
#ifndef COPPICE_TRANSPORT_H
#define COPPICE_TRANSPORT_H

#include <coppice/process.h>
#include <coppice/protocol.h>
#include <coppice/stream.h>

CO_BEGIN_DECLS

/*
 * Have the protocol called for what a stream brings, with `arg`; beginning in
 * the next turn with connection_made. The stream is the transport's from now
 * on, the protocol stays the caller's. One of a socket of datagrams, which is
 * adopted (co_adopt), is written to with co_transport_sendto. One of a process
 * has a transport for each of its pipes (co_transport_pipe), and what these
 * bring goes to the process's protocol; closing it kills what still runs.
 *
 * A pipe goes one way: to write to the end that reads, or to pause the other
 * one, is -EBADF. Who writes to it is told when nobody reads any more:
 * connection_lost, with -EPIPE if something was still buffered.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the transport, or NULL with errno EINVAL (NULL, or a protocol of
 * another size, or with get_buffer but no buffer_updated), EPERM (no loop runs
 * here; another loop's descriptor or process), EBADF, ESHUTDOWN (the loop is
 * ending), ENOMEM, EAGAIN (no memory for a stack); then what it was given is
 * still the caller's.
 */
#define co_transport_start(stream, protocol, arg)                              \
    co_transport_start_at(CO_SITE, (stream), (protocol), (arg))
#define co_transport_start_datagrams(fd, protocol, arg)                        \
    co_transport_start_datagrams_at(CO_SITE, (fd), (protocol), (arg))
#define co_transport_start_process(process, protocol, arg)                     \
    co_transport_start_process_at(CO_SITE, (process), (protocol), (arg))
CO_API co_transport *co_transport_start_at(const char *site, co_stream *stream,
                                           const co_protocol *protocol,
                                           void *arg);
CO_API co_transport *co_transport_start_datagrams_at(
    const char *site, int fd, const co_protocol *protocol, void *arg);
CO_API co_transport *co_transport_start_process_at(const char *site,
                                                   co_process *process,
                                                   const co_protocol *protocol,
                                                   void *arg);

/*
 * Write all of it, now or as soon as there is room; what fails later is told by
 * connection_lost. Data are copied if they have to wait.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or, with nothing taken, -EINVAL (NULL; not one of a stream),
 * -EPIPE (closed, or write_eof), -EBADF (a pipe that is read), -ENOMEM.
 */
CO_API int co_transport_write(co_transport *transport, const void *data,
                              size_t len);
CO_API int co_transport_writev(co_transport *transport, const struct iovec *iov,
                               int iov_count);

/*
 * The same for a datagram, to an address, or (NULL) to the one that the socket
 * is connected to. Returns as above; -EINVAL for others. Why one was not sent
 * error_received is told.
 */
CO_API int co_transport_sendto(co_transport *transport, const void *data,
                               size_t len, const struct sockaddr *to,
                               socklen_t to_len);

/* Tell the peer that no more comes, when all is written; reading goes on. This
 * closes a pipe; of what has no such end, connection_lost says -ENOTSUP.
 * Suspends, thread-safe, returns: as co_transport_write. */
CO_API int co_transport_write_eof(co_transport *transport);

/*
 * Read no more, write what is buffered, then close: connection_lost(0). Or at
 * once, dropping what is buffered. Again: nothing happens.
 *
 * Suspends: never. Thread-safe: no. Returns 0, or -EINVAL (NULL).
 */
CO_API int co_transport_close(co_transport *transport);
CO_API int co_transport_abort(co_transport *transport);

/* Whether it is closed or lost, or about to be. */
CO_API int co_transport_is_closing(const co_transport *transport);

/*
 * Call data_received and its like no more until it is resumed: so the peer
 * cannot send more than is digested.
 *
 * Suspends: never. Thread-safe: no. Returns 0, or -EINVAL (NULL), -EALREADY (it
 * was paused, or was not), -EPIPE (closing), -EBADF (it does not read: a pipe
 * that is written to, a process).
 */
CO_API int co_transport_pause_reading(co_transport *transport);
CO_API int co_transport_resume_reading(co_transport *transport);
CO_API int co_transport_is_reading(const co_transport *transport);

/*
 * From how many bytes of buffer on pause_writing is called, and down to how
 * many resume_writing. At first 64 KiB and a quarter of it. Returns 0, or
 * -EINVAL (NULL; low > high).
 */
CO_API int co_transport_set_write_limits(co_transport *transport, size_t high,
                                         size_t low);
/* How many bytes wait to be written; 0 for NULL. */
CO_API size_t co_transport_buffered(const co_transport *transport);

/* Have another protocol called from now on. Returns 0, or -EINVAL (also: of a
 * process's pipe). */
CO_API int co_transport_set_protocol(co_transport *transport,
                                     const co_protocol *protocol, void *arg);

/* What is behind it, to ask for addresses and the like, not to be read from or
 * written to: the stream, or NULL; the descriptor of datagrams, or -EINVAL; the
 * process, to signal it, or NULL. And the transport of the pipe `which` of a
 * process, 0 to 2, to write to or to pause: NULL: there is none, or it is lost.
 */
CO_API co_stream *co_transport_stream(const co_transport *transport);
CO_API int co_transport_fd(const co_transport *transport);
CO_API co_process *co_transport_process(const co_transport *transport);
CO_API co_transport *co_transport_pipe(const co_transport *transport,
                                       int which);

CO_END_DECLS

#endif
