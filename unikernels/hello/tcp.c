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
#define FOR_EACH(c) for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) if (c->state != FREE)

/* Sequence numbers wrap: a is after b if it lies in the half of the circle ahead of b. */
static bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

static uint64_t within(uint64_t least, uint64_t value, uint64_t most) {
    return value < least ? least : value > most ? most : value;
}

static uint16_t receive_window(const struct tcp *c) { return (uint16_t)(BUFFER - c->in_size); }

static void keep(struct tcp *c) { c->expires = clock_now() + (c->closing || c->state != OPEN ? LINGER : IDLE); }

static void send(const struct peer *to, struct header fields, const void *data, size_t size) {
    static const uint8_t mss[4] = {2, 4, (MTU - 40) >> 8, (MTU - 40) & 0xff};
    struct header *header = (struct header *)ip_payload();
    size_t options = fields.flags & SYN ? sizeof mss : 0, total = sizeof fields + options + size;
    *header = fields;
    header->offset = (uint8_t)((sizeof fields + options) << 2);
    memcpy(header + 1, mss, options);
    memcpy((uint8_t *)(header + 1) + options, data, size);
    header->checksum = ip_checksum(to->address, TCP, header, total);
    ip_send(to, TCP, total);
}

static void send_from(struct tcp *c, uint32_t seq, uint8_t flags, const void *data, size_t size) {
    c->ack_due = false;
    send(&c->peer, (struct header){.from = put16(80), .to = put16(c->port), .seq = put32(seq), .ack = put32(c->expected),
                                   .flags = flags | ACK, .window = put16(receive_window(c))}, data, size);
}

static void send_ack(struct tcp *c) { send_from(c, c->next, 0, c->out, 0); }

static void send_syn(struct tcp *c) { send_from(c, c->unacked, SYN, c->out, 0); }

/* Sends all that the peer's window allows, our FIN after the last byte, or else the acknowledgement that is due. */
static void push(struct tcp *c) {
    while (c->state != FINISHED) {
        uint32_t flight = c->next - c->unacked;
        if (flight > c->out_size) break; /* the FIN is out */
        size_t size = within(0, c->out_size - flight, within(0, c->mss, c->window > flight ? c->window - flight : 0));
        bool fin = c->closing && flight + size == c->out_size;
        if (size == 0 && !fin) break;
        if (!c->timed_at && !c->repeating) c->timed_at = clock_now(), c->timed_seq = c->next + 1;
        send_from(c, c->next, (size ? PSH : 0) | (fin ? FIN : 0), c->out + flight, size);
        c->next += (uint32_t)size + fin;
    }
    if (c->ack_due) send_ack(c);
    bool outstanding = c->next != c->unacked || c->out_size > 0; /* in flight, or held back by the window */
    if (!outstanding) c->resend_at = NEVER;
    else if (c->resend_at == NEVER) c->resend_at = clock_now() + c->timeout;
}

static void timed(struct tcp *c) { /* RFC 6298, section 2 */
    uint64_t sample = clock_now() - c->timed_at;
    uint64_t apart = sample > c->round_trip ? sample - c->round_trip : c->round_trip - sample;
    c->variance = c->round_trip ? (3 * c->variance + apart) / 4 : sample / 2;
    c->round_trip = c->round_trip ? (7 * c->round_trip + sample) / 8 : sample;
    c->timeout = within(MIN_TIMEOUT, c->round_trip + 4 * c->variance, MAX_TIMEOUT);
    c->timed_at = 0;
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
static uint16_t mss_option(const uint8_t *option, const uint8_t *end) {
    while (end - option >= 2 && *option != 0) {
        if (*option == 1) { option++; continue; } /* padding */
        if (option[1] < 2 || option[1] > end - option) break;
        if (option[0] == 2 && option[1] == 4) return (uint16_t)within(64, option[2] << 8 | option[3], MTU - 40);
        option += option[1];
    }
    return 536;
}

static void open(const struct peer *peer, const struct header *header, uint16_t mss) {
    struct tcp *c = place();
    if (!c) return; /* the peer will ask again */
    struct { uint32_t address, port; } about = {peer->address, get16(header->from)};
    uint64_t now = clock_now();
    uint32_t first = net_random(&about, sizeof about) + (uint32_t)(now / 4000); /* RFC 6528 */
    memset(c, 0, offsetof(struct tcp, in));
    c->state = SYN_RECEIVED;
    c->peer = *peer;
    c->port = get16(header->from);
    c->mss = mss;
    c->expected = get32(header->seq) + 1;
    c->unacked = first;
    c->next = c->timed_seq = first + 1;
    c->timed_at = now;
    c->timeout = FIRST_TIMEOUT;
    c->resend_at = now + c->timeout;
    keep(c);
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
    c->repeating = false;
    c->resend_at = NEVER;
    if (fin) c->state = FINISHED;
    keep(c);
}

static void received(struct tcp *c, const uint8_t *data, size_t size, bool fin) {
    size_t taken = within(0, size, receive_window(c));
    if (c->closing || c->state != OPEN) taken = size; /* nobody will read it */
    else memcpy(c->in + c->in_size, data, taken), c->in_size += taken;
    c->expected += (uint32_t)taken;
    if (fin && taken == size) c->expected++, c->peer_closed = true;
    keep(c);
}

static void serve(struct tcp *c) {
    if (c->state == OPEN && !c->closing) {
        size_t room = receive_window(c);
        c->waiting = http_input(c);
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
    if (header->flags & RST && seq == c->expected) { /* RFC 5961: only an exact one ends the connection */
        c->state = FREE;
        return;
    }
    if (header->flags & (RST | SYN)) return send_ack(c);
    if (!(header->flags & ACK)) return;

    if (c->state == SYN_RECEIVED) {
        if (ack != c->next) return refuse(&c->peer, header, size);
        c->state = OPEN;
        c->window_seq = seq - 1;
        c->unacked++; /* our SYN */
        c->repeating = false;
        c->resend_at = NEVER;
        if (c->timed_at) timed(c);
        keep(c);
    }
    /* After a timeout `next` goes back; what was sent before may be acknowledged all the same. */
    uint32_t last = c->unacked + (uint32_t)c->out_size + (c->closing && c->state == OPEN);
    if (after(ack, last)) return send_ack(c);
    if (after(ack, c->unacked)) acknowledged(c, ack);
    if (!after(c->unacked, ack) && !after(c->window_seq, seq)) c->window = get16(header->window), c->window_seq = seq;

    size_t known = c->expected - seq;
    if (size || fin) c->ack_due = true; /* also for what is known, and for what cannot be used before what was lost */
    if (!c->peer_closed && !after(seq, c->expected) && known < size + fin) received(c, data + known, size - known, fin);
    serve(c);
}

void tcp_input(const struct peer *from, const uint8_t *segment, size_t size) {
    const struct header *header = (const struct header *)segment;
    if (size < sizeof *header) return;
    size_t offset = (header->offset >> 4) * 4u;
    if (offset < sizeof *header || offset > size) return;
    size_t length = size - offset;
    uint16_t port = get16(header->from);
    uint8_t kind = header->flags & (SYN | ACK | RST | FIN);
    struct tcp *known = NULL;
    if (get16(header->to) == 80)
        FOR_EACH(c) if (c->port == port && c->peer.address == from->address) known = c;

    if (known) {
        known->peer = *from;
        if (kind == SYN && known->state == SYN_RECEIVED && get32(header->seq) + 1 == known->expected) return send_syn(known);
        bool anew = kind == SYN && known->state == FINISHED && after(get32(header->seq), known->expected);
        if (!anew) return segment_for(known, header, segment + offset, length);
        known->state = FREE; /* RFC 9293, section 3.6.1 */
    }
    if (kind == SYN && get16(header->to) == 80) open(from, header, mss_option(segment + sizeof *header, segment + offset));
    else refuse(from, header, length + !!(kind & SYN) + !!(kind & FIN));
}

void tcp_neighbour(uint32_t address, const uint8_t mac[6]) {
    FOR_EACH(c) {
        bool near = ((c->peer.address ^ net.address) & net.mask) == 0;
        if ((near ? c->peer.address : net.gateway) == address) memcpy(c->peer.mac, mac, 6);
    }
}

static void expired(struct tcp *c, uint64_t now) {
    if (c->waiting) {
        c->expires = now + IDLE; /* it is we who are slow */
    } else if (c->state == OPEN && !c->closing && c->out_size == 0) { /* idle: close it in order */
        tcp_close(c);
        keep(c);
        push(c);
    } else {
        if (c->state == OPEN) send_from(c, c->next, RST, c->out, 0);
        c->state = FREE;
    }
}

/* RFC 6298, section 5: from the first byte again, half as often each time. A closed window is probed with one byte. */
static void resend(struct tcp *c, uint64_t now) {
    c->timeout = within(0, c->timeout * 2, MAX_TIMEOUT);
    c->resend_at = now + c->timeout;
    c->timed_at = 0; /* Karn: an answer could be to either copy */
    c->repeating = true;
    if (c->state == SYN_RECEIVED) return send_syn(c);
    c->next = c->unacked;
    if (c->window == 0) c->window = 1;
    push(c);
}

uint64_t tcp_timers(uint64_t now) {
    uint64_t next = NEVER;
    FOR_EACH(c) {
        if (c->expires <= now) expired(c, now);
        else if (c->resend_at <= now) resend(c, now);
        if (c->state == FREE) continue;
        next = within(0, next, within(0, c->expires, c->resend_at));
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
