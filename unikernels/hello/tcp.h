/* A TCP connection as its application, http.c, sees it. */
#pragma once
#include "net.h"

#define BUFFER 4096 /* smaller than the initial window of RFC 6928, so there is no congestion window to keep */

struct tcp {
    enum { FREE, SYN_RECEIVED, OPEN, FINISHED } state; /* FINISHED: our FIN is acknowledged (FIN-WAIT-2, TIME-WAIT) */
    struct peer peer;
    uint16_t port, mss;                          /* the peer's */
    uint32_t unacked, next, window, window_seq;  /* RFC 9293's SND.UNA, SND.NXT, SND.WND and SND.WL1 */
    uint32_t expected;                           /* RCV.NXT */
    bool ack_due, peer_closed, closing, answered_close, repeating;
    bool waiting;                                /* for the application */
    uint64_t resend_at, timeout, expires;        /* resend_at NEVER: nothing in flight */
    uint64_t round_trip, variance;               /* RFC 6298; 0: not yet measured */
    uint64_t timed_at;                           /* when the segment up to timed_seq was sent; 0: none is being timed */
    uint32_t timed_seq;
    size_t in_size, out_size;                    /* out starts at sequence number `unacked` */
    uint8_t in[BUFFER], out[BUFFER];
};

size_t tcp_room(const struct tcp *connection);                         /* bytes that tcp_write will take */
void tcp_write(struct tcp *connection, const void *data, size_t size); /* at most tcp_room */
void tcp_close(struct tcp *connection);                                /* after what was written */
void tcp_wake(void);                                                   /* calls http_input for all that are open */

/* Provided by http.c: takes what it can of `in`; called again when more is there, or more room, or at tcp_wake.
 * True: there is a request, and it waits for tcp_wake. */
bool http_input(struct tcp *connection);
