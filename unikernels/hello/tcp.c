/* TCP, RFC 9293, the passive side: connections are only ever opened by the peer, to port 80. What is lost is sent again
 * from the first byte that is missing (go back N), by either side. Left out, as no correctness needs it here: a queue for
 * what comes out of order, selective acknowledgement, window scaling; and TIME-WAIT: a FIN that is repeated because our
 * last acknowledgement was lost gets a RST, and by then the peer has had all of our answer and wants nothing more. */
#include "hello.h"

#define CONNECTIONS 256
#define IDLE (60 * SECOND)       /* without progress; a half-open one too, whose client is as patient after a bad start */
#define LINGER (10 * SECOND)     /* for the peer's FIN, when ours is acknowledged */
#define FIRST_TIMEOUT (1 * SECOND)
#define MIN_TIMEOUT (200 * MS)   /* as Linux; RFC 6298's one second is for clocks of 1988 */
#define MAX_TIMEOUT (8 * SECOND)

struct WIRE header { uint16_t from, to; uint32_t seq, ack; uint8_t offset, flags; uint16_t window, checksum, urgent; };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct tcp connections[CONNECTIONS];
#define FOR_EACH(c) for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) if (c->state != FREE)

/* Sequence numbers wrap: a is after b if it lies in the half of the circle ahead of b. */
static bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }
static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max(uint64_t a, uint64_t b) { return a > b ? a : b; }

static uint16_t receive_window(const struct tcp *c) { return (uint16_t)(BUFFER - c->in_size); }
static void keep(struct tcp *c) { c->expires = clock_now() + (c->state == FINISHED ? LINGER : IDLE); }
static void forget(struct tcp *c) { memset(c, 0, offsetof(struct tcp, in)); }

static void send(const struct peer *to, struct header fields, const void *data, size_t size) {
    struct header *header = ip_payload();
    *header = fields;
    header->offset = (uint8_t)((sizeof fields + (fields.flags & SYN ? size : 0)) << 2); /* a SYN's bytes are its options */
    memcpy(header + 1, data, size);
    header->checksum = ip_checksum(to->address, TCP, header, sizeof fields + size);
    ip_send(to, TCP, sizeof fields + size);
}

static void send_next(struct tcp *c, uint8_t flags, const void *data, size_t size) {
    send(&c->peer, (struct header){.from = 80, .to = c->port, .seq = c->next, .ack = c->expected, .flags = flags | ACK,
                                   .window = receive_window(c)}, data, size);
    c->next += (uint32_t)(flags & SYN ? 1 : size) + !!(flags & FIN);
    c->ack_due = false;
}

/* Sends all that the peer's window allows: our SYN before the first byte, our FIN after the last. */
static void push(struct tcp *c) {
    static const uint8_t mss[4] = {2, 4, (MTU - 40) >> 8, (MTU - 40) & 0xff};
    if (c->state == HALF_OPEN && c->next == c->unacked) send_next(c, SYN, mss, sizeof mss);
    while (c->state == OPEN) {
        uint32_t flight = c->next - c->unacked;
        if (flight > c->out_size) break; /* the FIN is out */
        size_t size = min(c->out_size - flight, min(c->mss, c->window > flight ? c->window - flight : 0));
        bool fin = c->closing && flight + size == c->out_size;
        if (size == 0 && !fin) break;
        send_next(c, (size ? PSH : 0) | (fin ? FIN : 0), c->out + flight, size);
    }
    if (c->ack_due) send_next(c, 0, "", 0);
    if (c->next == c->unacked && c->out_size == 0) c->resend_at = NEVER; /* nothing in flight or held back by the window */
    else if (c->resend_at == NEVER) c->resend_at = clock_now() + min(c->timeout << c->tries, MAX_TIMEOUT);
}

/* The peer's MSS option; RFC 9293 says 536 where there is none. */
static uint16_t mss_option(const uint8_t *option, const uint8_t *end) {
    while (end - option >= 2 && *option != 0) {
        size_t size = *option == 1 ? 1 : option[1]; /* 1: padding */
        if (size == 0 || size > (size_t)(end - option)) break;
        if (option[0] == 2 && size == 4) return (uint16_t)max(64, min(option[2] << 8 | option[3], MTU - 40));
        option += size;
    }
    return 536;
}

/* Takes a free place, else that of the oldest connection that is half-open or closed by us: a flood of SYNs costs
 * other half-open connections, never an open one. */
static void open(const struct peer *peer, const struct header *header, uint16_t mss) {
    struct tcp *c = NULL;
    for (struct tcp *at = connections; at < connections + CONNECTIONS; at++)
        if (at->state != OPEN && (!c || at->expires < c->expires)) c = at;
    if (!c) return; /* the peer will ask again */
    struct { uint32_t address, port; } about = {peer->address, header->from};
    uint32_t first = net_random(&about, sizeof about) + (uint32_t)(clock_now() / 4000); /* RFC 6528 */
    *c = (struct tcp){.state = HALF_OPEN, .peer = *peer, .port = header->from, .mss = mss, .expected = header->seq + 1,
                      .unacked = first, .next = first, .timeout = FIRST_TIMEOUT, .resend_at = NEVER};
    keep(c);
    push(c);
}

/* Nobody knows the connection (any more): RFC 9293, section 3.10.7.1. */
static void refuse(const struct peer *peer, const struct header *header, size_t length) {
    struct header reply = {.from = header->to, .to = header->from, .flags = RST};
    if (header->flags & RST) return;
    if (header->flags & ACK) reply.seq = header->ack;
    else reply.ack = header->seq + (uint32_t)length, reply.flags |= ACK;
    send(peer, reply, "", 0);
}

static void acknowledged(struct tcp *c, uint32_t ack) {
    size_t bytes = ack - c->unacked;
    if (c->state == HALF_OPEN) { /* it is our SYN. Three round trips is the first timeout of RFC 6298, if none was lost */
        if (c->tries == 0) c->timeout = max(MIN_TIMEOUT, 3 * (clock_now() + FIRST_TIMEOUT - c->resend_at));
        c->state = OPEN;
        bytes = 0;
    } else if (bytes > c->out_size) {
        c->state = FINISHED;
        bytes = c->out_size;
    }
    memmove(c->out, c->out + bytes, c->out_size - bytes);
    c->out_size -= bytes;
    c->unacked = ack;
    if (after(ack, c->next)) c->next = ack;
    c->tries = 0;
    c->resend_at = NEVER;
    keep(c);
}

static void received(struct tcp *c, const uint8_t *data, size_t size, bool fin) {
    size_t taken = size;
    if (c->state == OPEN && !c->closing) { /* else nobody will read it */
        taken = min(size, receive_window(c));
        memcpy(c->in + c->in_size, data, taken);
        c->in_size += taken;
    }
    c->peer_closed = fin && taken == size;
    c->expected += (uint32_t)taken + c->peer_closed;
    keep(c);
}

static void serve(struct tcp *c) {
    if (c->state == OPEN && !c->closing) {
        c->waiting = http_input(c);
        /* What is still unread is no whole request, and no more will come. */
        if (c->peer_closed && !c->waiting && c->out_size <= BUFFER / 2) tcp_close(c);
    }
    push(c);
    if (c->state == FINISHED && c->peer_closed) forget(c);
}

/* Says where we are, when what came is not for now. */
static void repeat(struct tcp *c) {
    if (c->state == HALF_OPEN) c->next = c->unacked;
    c->ack_due = true;
    push(c);
}

static void segment_for(struct tcp *c, const struct header *header, const uint8_t *data, size_t size) {
    bool fin = header->flags & FIN;
    uint32_t known = c->expected - header->seq; /* so much of it we have; huge when something before it is missing */
    /* After a timeout `next` goes back; what was sent before may be acknowledged all the same. */
    uint32_t last = c->unacked + (uint32_t)c->out_size + (c->state == HALF_OPEN || (c->state == OPEN && c->closing));

    if (known == 0 && header->flags & RST) return forget(c); /* RFC 5961: only an exact one ends the connection */
    if (c->state == HALF_OPEN && header->flags & ACK && header->ack != last) return refuse(&c->peer, header, size);
    if ((known > 0 && known >= size + fin) || header->flags & (RST | SYN) || after(header->ack, last))
        return repeat(c);
    if (!(header->flags & ACK)) return;

    if (after(header->ack, c->unacked)) acknowledged(c, header->ack);
    if (header->ack == c->unacked) c->window = header->window;
    if (size || fin) {
        c->ack_due = true; /* also for what cannot be used */
        if (!c->peer_closed) received(c, data + known, size - known, fin);
    }
    serve(c);
}

void tcp_input(const struct peer *from, const void *segment, size_t size) {
    const struct header *header = segment;
    size_t offset = size < sizeof *header ? 0 : (header->offset >> 4) * 4u;
    if (offset < sizeof *header || offset > size) return;
    const uint8_t *data = segment + offset;
    uint8_t kind = header->flags & (SYN | ACK | RST | FIN);
    FOR_EACH(c) {
        if (header->to != 80 || c->port != header->from || c->peer.address != from->address) continue;
        c->peer = *from;
        return segment_for(c, header, data, size - offset);
    }
    if (kind == SYN && header->to == 80) open(from, header, mss_option(segment + sizeof *header, data));
    else refuse(from, header, size - offset + !!(kind & SYN) + !!(kind & FIN));
}

void tcp_neighbour(uint32_t address, const uint8_t mac[6]) {
    FOR_EACH(c) {
        bool near = ((c->peer.address ^ net.address) & net.mask) == 0;
        if ((near ? c->peer.address : net.gateway) == address) memcpy(c->peer.mac, mac, 6);
    }
}

static void expired(struct tcp *c) {
    if (c->waiting) return keep(c); /* it is we who are slow */
    if (c->state == OPEN && !c->closing && c->out_size == 0) {
        tcp_close(c); /* in order: it was only idle */
        keep(c);
        return push(c);
    }
    if (c->state == OPEN) send_next(c, RST, "", 0);
    forget(c);
}

uint64_t tcp_timers(uint64_t now) {
    uint64_t next = NEVER;
    FOR_EACH(c) {
        if (c->expires <= now) {
            expired(c);
        } else if (c->resend_at <= now) { /* RFC 6298, section 5: from the first byte again, half as often each time */
            c->tries++;
            c->next = c->unacked;
            c->window = (uint32_t)max(1, c->window); /* a closed one is probed with one byte */
            c->resend_at = NEVER;
            push(c);
        }
        if (c->state != FREE) next = min(next, min(c->expires, c->resend_at));
    }
    return next;
}

void tcp_write(struct tcp *c, const void *data, size_t size) {
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

void tcp_close(struct tcp *c) {
    c->closing = true;
    c->in_size = 0;
}

void tcp_wake(void) {
    FOR_EACH(c) if (c->state == OPEN) serve(c);
}

bool tcp_finish(void) {
    bool done = true;
    FOR_EACH(c) {
        if (c->state != OPEN) continue;
        done = false;
        if (!c->closing && !c->waiting) tcp_close(c), push(c);
    }
    return done;
}
