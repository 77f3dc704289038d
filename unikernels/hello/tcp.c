/* TCP, RFC 9293, the passive side: connections are only ever opened by the peer, to port 80.
 * Left out, as no correctness needs them here: out-of-order queue, selective acknowledgement, window scaling. */
#include "tcp.h"
#include <string.h>

#define CONNECTIONS 256
#define IDLE (60 * SECOND)       /* without a byte either way */
#define LINGER (10 * SECOND)     /* half-open, or closed by one side */
#define FIRST_TIMEOUT (1 * SECOND)
#define MIN_TIMEOUT (200 * MS)   /* as Linux; RFC 6298's one second is for clocks of 1988 */
#define MAX_TIMEOUT (8 * SECOND)

struct header { be16 from, to; be32 seq, ack; uint8_t offset, flags; be16 window, checksum, urgent; };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct tcp connections[CONNECTIONS];

/* Sequence numbers wrap: a is after b if it lies in the half of the circle ahead of b. */
static bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

static uint16_t receive_window(const struct tcp *c) { return (uint16_t)(BUFFER - c->in_size); }

static void send(const struct peer *to, struct header fields, const void *data, size_t size) {
    static const uint8_t mss[4] = {2, 4, (MTU - 40) >> 8, (MTU - 40) & 0xff};
    struct header *header = (struct header *)ip_payload();
    size_t options = fields.flags & SYN ? sizeof mss : 0, total = sizeof fields + options + size;
    *header = fields;
    header->offset = (uint8_t)((sizeof fields + options) << 2);
    memcpy(header + 1, mss, options);
    memcpy((uint8_t *)(header + 1) + options, data, size);
    uint32_t sum = checksum_pseudo(net.address, to->address, TCP, total);
    header->checksum = put16(checksum_end(checksum_add(sum, header, total)));
    ip_send(to, net.address, TCP, total);
}

static void send_from(struct tcp *c, uint32_t seq, uint8_t flags, const void *data, size_t size) {
    c->ack_due = false;
    send(&c->peer, (struct header){.from = put16(80), .to = put16(c->port), .seq = put32(seq), .ack = put32(c->expected),
                                   .flags = flags | ACK, .window = put16(receive_window(c))}, data, size);
}

static void send_ack(struct tcp *c) { send_from(c, c->highest, 0, c->out, 0); }

static void send_syn(struct tcp *c) {
    c->highest = c->next = c->unacked + 1;
    send_from(c, c->unacked, SYN, c->out, 0);
}

/* Sends all that the peer's window allows, our FIN after the last byte, or else the acknowledgement that is due. */
static void push(struct tcp *c) {
    while (c->state != FINISHED) {
        uint32_t flight = c->next - c->unacked;
        if (flight > c->out_size) break; /* the FIN is out */
        size_t size = c->out_size - flight;
        size_t allowed = c->window > flight ? c->window - flight : 0;
        if (size > allowed) size = allowed;
        if (size > c->mss) size = c->mss;
        bool fin = c->closing && flight + size == c->out_size;
        if (size == 0 && !fin) break;
        if (!c->timed_at && c->next == c->highest) c->timed_at = clock_now(), c->timed_seq = c->next + 1;
        send_from(c, c->next, (size ? PSH : 0) | (fin ? FIN : 0), c->out + flight, size);
        c->next += (uint32_t)size + fin;
        if (after(c->next, c->highest)) c->highest = c->next;
    }
    if (c->ack_due) send_ack(c);
    bool outstanding = c->next != c->unacked || c->out_size > 0; /* in flight, or held back by the window */
    if (!outstanding) c->resend_at = NEVER;
    else if (c->resend_at == NEVER) c->resend_at = clock_now() + c->timeout;
}

static void timed(struct tcp *c) { /* RFC 6298, section 2 */
    uint64_t sample = clock_now() - c->timed_at;
    c->timed_at = 0;
    uint64_t apart = sample > c->round_trip ? sample - c->round_trip : c->round_trip - sample;
    c->variance = c->round_trip ? (3 * c->variance + apart) / 4 : sample / 2;
    c->round_trip = c->round_trip ? (7 * c->round_trip + sample) / 8 : sample;
    c->timeout = c->round_trip + 4 * c->variance;
    if (c->timeout < MIN_TIMEOUT) c->timeout = MIN_TIMEOUT;
    if (c->timeout > MAX_TIMEOUT) c->timeout = MAX_TIMEOUT;
}

static struct tcp *find(const struct peer *peer, uint16_t port) {
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++)
        if (c->state != FREE && c->port == port && c->peer.address == peer->address) return c;
    return NULL;
}

/* A free place; else that of the oldest closed connection, else of the oldest half-open one: a flood of SYNs
 * costs other half-open connections, never an open one. */
static struct tcp *place(void) {
    struct tcp *best = NULL;
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) {
        if (c->state == FREE) return c;
        if (c->state == OPEN) continue;
        if (!best || c->state > best->state || (c->state == best->state && c->expires < best->expires)) best = c;
    }
    return best;
}

/* The peer's MSS option; RFC 9293 says 536 where there is none. */
static uint16_t mss_option(const uint8_t *option, size_t size) {
    while (size > 1 && option[0] != 0) {
        size_t length = option[0] == 1 ? 1 : option[1];
        if (length == 0 || length > size || (length == 1 && option[0] != 1)) break;
        if (option[0] == 2 && length == 4) {
            int mss = option[2] << 8 | option[3];
            return (uint16_t)(mss < 64 ? 64 : mss > MTU - 40 ? MTU - 40 : mss);
        }
        option += length;
        size -= length;
    }
    return 536;
}

static void open(const struct peer *peer, const struct header *header, uint16_t mss) {
    struct tcp *c = place();
    if (!c) return; /* the peer will ask again */
    struct { uint32_t address, port; } about = {peer->address, get16(header->from)};
    uint64_t now = clock_now();
    memset(c, 0, offsetof(struct tcp, in));
    memset(&c->waiting, 0, sizeof *c - offsetof(struct tcp, waiting));
    c->state = SYN_RECEIVED;
    c->peer = *peer;
    c->port = get16(header->from);
    c->mss = mss;
    c->expected = get32(header->seq) + 1;
    c->unacked = net_random(&about, sizeof about) + (uint32_t)(now / 4000); /* RFC 6528 */
    c->timeout = FIRST_TIMEOUT;
    c->resend_at = now + c->timeout;
    c->expires = now + LINGER;
    c->timed_at = now;
    c->timed_seq = c->unacked + 1;
    send_syn(c);
}

/* Nobody knows the connection (any more): RFC 9293, section 3.10.7.1. */
static void refuse(const struct peer *peer, const struct header *header, size_t length) {
    struct header reply = {.from = header->to, .to = header->from, .flags = RST};
    if (header->flags & RST) return;
    if (header->flags & ACK) reply.seq = header->ack;
    else reply.ack = put32(get32(header->seq) + (uint32_t)length), reply.flags |= ACK;
    send(peer, reply, header, 0);
}

static void acknowledged(struct tcp *c, uint32_t ack) {
    size_t bytes = ack - c->unacked;
    if (c->timed_at && !after(c->timed_seq, ack)) timed(c);
    bool fin = bytes > c->out_size;
    if (fin) bytes = c->out_size;
    memmove(c->out, c->out + bytes, c->out_size - bytes);
    c->out_size -= bytes;
    c->unacked = ack;
    if (after(ack, c->next)) c->next = ack;
    c->resend_at = NEVER;
    c->expires = clock_now() + (c->closing ? LINGER : IDLE);
    if (fin) c->state = FINISHED;
}

static void received(struct tcp *c, const uint8_t *data, size_t size, bool fin) {
    size_t room = receive_window(c), taken = size < room ? size : room;
    if (c->closing || c->state != OPEN) taken = size; /* nobody will read it */
    else memcpy(c->in + c->in_size, data, taken), c->in_size += taken;
    c->expected += (uint32_t)taken;
    c->ack_due = true;
    c->expires = clock_now() + (c->closing ? LINGER : IDLE);
    if (fin && taken == size) c->expected++, c->peer_closed = true;
}

static void serve(struct tcp *c) {
    if (c->state == OPEN && !c->closing) {
        size_t room = receive_window(c);
        http_input(c);
        if (room < c->mss && receive_window(c) >= c->mss) c->ack_due = true; /* the window opens again */
        /* What is still unread is no whole request, and no more will come. */
        if (c->peer_closed && !c->waiting && tcp_room(c) >= BUFFER / 2) tcp_close(c);
    }
    push(c);
    if (c->state == FINISHED && c->peer_closed && c->answered_close) c->state = FREE; /* the peer keeps the wait */
}

static void segment_for(struct tcp *c, const struct header *header, const uint8_t *data, size_t size) {
    uint32_t seq = get32(header->seq), ack = get32(header->ack);
    bool fin = header->flags & FIN;
    uint32_t end = seq + (uint32_t)size + fin;

    if (after(seq, c->expected + receive_window(c)) || after(c->expected, end) ||
        (size && end == c->expected && seq != c->expected)) { /* not for now: say where we are */
        if (!(header->flags & RST)) send_ack(c);
        return;
    }
    if (header->flags & RST) { /* RFC 5961: only an exact one ends the connection */
        if (seq == c->expected) c->state = FREE;
        else send_ack(c);
        return;
    }
    if (header->flags & SYN) return send_ack(c);
    if (!(header->flags & ACK)) return;

    if (c->state == SYN_RECEIVED) {
        if (ack != c->highest) return refuse(&c->peer, header, size);
        c->state = OPEN;
        c->window_seq = seq - 1;
        c->unacked++; /* our SYN */
        c->resend_at = NEVER;
        c->expires = clock_now() + IDLE;
        if (c->timed_at) timed(c);
    }
    if (after(ack, c->highest)) return send_ack(c);
    if (after(ack, c->unacked)) acknowledged(c, ack);
    if (!after(c->unacked, ack) && !after(c->window_seq, seq)) c->window = get16(header->window), c->window_seq = seq;

    if (after(seq, c->expected)) { /* a segment before it was lost: the repeated acknowledgement asks for it */
        c->ack_due = true;
    } else if (size || fin) {
        size_t known = c->expected - seq;
        if (!c->peer_closed && (known < size || (fin && known == size))) received(c, data + known, size - known, fin);
        else c->ack_due = true;
    }
    serve(c);
}

void tcp_input(const struct peer *from, const uint8_t *segment, size_t size) {
    const struct header *header = (const struct header *)segment;
    if (size < sizeof *header) return;
    size_t offset = (header->offset >> 4) * 4u;
    if (offset < sizeof *header || offset > size) return;
    size_t length = size - offset;
    uint8_t kind = header->flags & (SYN | ACK | RST | FIN);
    struct tcp *c = get16(header->to) == 80 ? find(from, get16(header->from)) : NULL;
    if (c) c->peer = *from;

    if (c && kind == SYN) {
        if (c->state == SYN_RECEIVED && get32(header->seq) + 1 == c->expected) return send_syn(c);
        if (c->state == FINISHED && after(get32(header->seq), c->expected)) c->state = FREE, c = NULL; /* section 3.6.1 */
    }
    if (c) segment_for(c, header, segment + offset, length);
    else if (kind != SYN || get16(header->to) != 80) refuse(from, header, length + !!(kind & SYN) + !!(kind & FIN));
    else open(from, header, mss_option(segment + sizeof *header, offset - sizeof *header));
}

void tcp_neighbour(uint32_t address, const uint8_t mac[6]) {
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) {
        bool near = ((c->peer.address ^ net.address) & net.mask) == 0;
        if (c->state != FREE && (near ? c->peer.address : net.gateway) == address) memcpy(c->peer.mac, mac, 6);
    }
}

static void expired(struct tcp *c, uint64_t now) {
    if (c->waiting) {
        c->expires = now + IDLE; /* it is we who are slow */
    } else if (c->state == OPEN && !c->closing && c->out_size == 0) { /* idle: close it in order */
        c->expires = now + LINGER;
        tcp_close(c);
        push(c);
    } else {
        if (c->state == OPEN) send_from(c, c->next, RST, c->out, 0);
        c->state = FREE;
    }
}

/* RFC 6298, section 5: from the first byte again, half as often each time. A closed window is probed with one byte. */
static void resend(struct tcp *c, uint64_t now) {
    c->timeout = c->timeout * 2 < MAX_TIMEOUT ? c->timeout * 2 : MAX_TIMEOUT;
    c->resend_at = now + c->timeout;
    c->timed_at = 0; /* Karn: an answer could be to either copy */
    if (c->state == SYN_RECEIVED) return send_syn(c);
    c->next = c->unacked;
    if (c->window == 0) c->window = 1;
    push(c);
}

uint64_t tcp_timers(uint64_t now) {
    uint64_t next = NEVER;
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) {
        if (c->state == FREE) continue;
        if (c->expires <= now) expired(c, now);
        else if (c->resend_at <= now) resend(c, now);
        if (c->state == FREE) continue;
        if (c->expires < next) next = c->expires;
        if (c->resend_at < next) next = c->resend_at;
    }
    return next;
}

size_t tcp_room(const struct tcp *c) { return BUFFER - c->out_size; }

void tcp_write(struct tcp *c, const void *data, size_t size) {
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

void tcp_close(struct tcp *c) {
    c->closing = true;
    c->in_size = 0;
    c->answered_close = c->peer_closed;
}

void tcp_flush(struct tcp *c) { serve(c); }

void tcp_each(void (*visit)(struct tcp *)) {
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++)
        if (c->state == OPEN) visit(c);
}

bool tcp_finish(void) {
    bool done = true;
    for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) {
        if (c->state != OPEN) continue;
        done = false;
        if (!c->closing && !c->waiting) tcp_close(c), push(c);
    }
    return done;
}
