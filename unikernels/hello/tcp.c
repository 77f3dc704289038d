/* TCP, RFC 9293, the passive side: connections are only ever opened by the peer, to port 80. What is lost is sent again
 * from the first byte that is missing (go back N), by either side. Left out, as no correctness needs it here:
 * - options. Without them either side sends segments of at most 536 bytes, which every host takes.
 * - a queue for what comes out of order, and a congestion window: the buffer is smaller than the initial one of RFC 6928.
 * - TIME-WAIT. A FIN that is repeated because our last acknowledgement was lost gets a RST, and by then the peer has had
 *   all of our answer and wants nothing more. */
#include "hello.h"

enum { CONNECTIONS = 256, SEGMENT = 536, TRIES = 12 }; /* so many tries take a minute at least */
#define IDLE (60 * SECOND)
#define MIN_TIMEOUT (200 * MS)   /* as Linux; RFC 6298's one second is for clocks of 1988 */
#define MAX_TIMEOUT (8 * SECOND)

struct WIRE header { uint16_t from, to; uint32_t seq, ack; uint8_t offset, flags; uint16_t window, checksum, urgent; };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static struct tcp connections[CONNECTIONS];
#define FOR_EACH(c) for (struct tcp *c = connections; c < connections + CONNECTIONS; c++) if (c->state != FREE)

/* Sequence numbers wrap: a is after b if it lies in the half of the circle ahead of b. */
static bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }
static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool unfinished(const struct tcp *c) { return c->next != c->unacked || c->out_size > 0; }
static void forget(struct tcp *c) { memset(c, 0, offsetof(struct tcp, in)); }

static void send(struct tcp *c, uint8_t flags, const void *data, size_t size) {
    struct header *header = ip_payload();
    *header = (struct header){.from = 80, .to = c->port, .seq = c->next, .ack = c->expected, .offset = sizeof *header / 4 << 4,
                              .flags = flags | ACK, .window = (uint16_t)(BUFFER - c->in_size)};
    memcpy(header + 1, data, size);
    header->checksum = ip_checksum(c->peer.address, TCP, header, sizeof *header + size);
    ip_send(&c->peer, TCP, sizeof *header + size);
    c->next += (uint32_t)size + !!(flags & (SYN | FIN));
    c->ack_due = false;
}

/* Sends all that the peer's window allows: our SYN before the first byte, our FIN after the last. Its time begins when nothing was in flight. */
static void push(struct tcp *c) {
    if (c->next == c->unacked) c->due = NEVER;
    if (c->next == c->unacked && c->state == HALF_OPEN) send(c, SYN, "", 0);
    while (c->state == OPEN && c->next - c->unacked <= c->out_size) { /* more: the FIN is out */
        uint32_t flight = c->next - c->unacked;
        uint32_t room = c->window > flight ? c->window - flight : 0;
        size_t size = min(c->out_size - flight, min(SEGMENT, room));
        bool fin = c->closing && flight + size == c->out_size;
        if (size == 0 && !fin) break;
        send(c, (size ? PSH : 0) | (fin ? FIN : 0), c->out + flight, size);
    }
    if (c->ack_due) send(c, 0, "", 0);
    uint64_t patience = unfinished(c) ? min(c->timeout << c->tries, MAX_TIMEOUT) : c->state == OPEN ? IDLE : MAX_TIMEOUT;
    if (c->due == NEVER) c->due = clock_now() + patience;
}

/* Takes a free place, else that of the oldest connection that is half-open or closed by us: a flood of SYNs costs
 * other half-open connections, never an open one. Nobody else can guess our first number: RFC 6528. */
static void open(const struct peer *peer, const struct header *header) {
    struct tcp *c = NULL;
    for (struct tcp *at = connections; at < connections + CONNECTIONS; at++)
        if (at->state != OPEN && (!c || at->due < c->due)) c = at;
    if (!c) return; /* the peer will ask again */
    struct { uint32_t address, port, seq; } about = {peer->address, header->from, header->seq};
    forget(c);
    c->state = HALF_OPEN, c->peer = *peer, c->port = header->from, c->expected = header->seq + 1;
    c->next = c->unacked = net_random(&about, sizeof about);
    c->timeout = SECOND;
    push(c);
}

/* Nobody knows the connection (any more): RFC 9293, section 3.10.7.1. */
static void refuse(const struct peer *peer, const struct header *header, size_t size) {
    static struct tcp c;
    c.peer = *peer, c.port = header->from, c.next = header->ack;
    c.expected = header->seq + (uint32_t)size + !!(header->flags & SYN) + !!(header->flags & FIN);
    if (!(header->flags & RST)) send(&c, RST, "", 0);
}

static void serve(struct tcp *c) {
    bool more = c->state == OPEN;
    while (more && !c->closing && c->out_size <= BUFFER / 2) more = http_input(c);
    if (!more && c->peer_closed && !c->waiting) c->closing = true; /* what is unread is no request, and no more will come */
    if (c->closing) c->in_size = 0; /* nobody will read it */
    push(c);
    if (c->state == FINISHED && c->peer_closed) forget(c);
}

static void segment_for(struct tcp *c, const struct header *header, const void *data, size_t size) {
    bool fin = header->flags & FIN;
    uint32_t known = c->expected - header->seq; /* so much of it we have; huge when something before it is missing */
    uint32_t last = c->unacked + (uint32_t)c->out_size + (c->state == HALF_OPEN || (c->state == OPEN && c->closing));

    if (header->flags & RST) return known == 0 ? forget(c) : (void)0; /* only an exact one: others can be guessed */
    if ((known > 0 && known >= size + fin) || after(header->ack, last)) {
        c->ack_due = true; /* says where we are, when what came is not for now */
        if (c->state == HALF_OPEN) c->next = c->unacked;
        return push(c);
    }
    if (!(header->flags & ACK) || (c->state == HALF_OPEN && header->ack != last)) return;
    if (c->state == HALF_OPEN) {
        c->state = OPEN;
        c->unacked = c->next = last;
        if (c->tries == 0) c->timeout = MIN_TIMEOUT + 3 * (clock_now() + c->timeout - c->due); /* RFC 6298: three round trips */
        c->tries = 0;
    }
    if (after(header->ack, c->unacked)) {
        size_t bytes = min(header->ack - c->unacked, c->out_size);
        if (bytes < header->ack - c->unacked) c->state = FINISHED; /* our FIN too */
        memmove(c->out, c->out + bytes, c->out_size - bytes);
        c->out_size -= bytes;
        c->unacked = header->ack;
        if (after(c->unacked, c->next)) c->next = c->unacked; /* sent before a timeout took `next` back */
        c->tries = 0;
        c->due = NEVER;
    }
    if (header->ack == c->unacked) c->window = header->window;
    c->ack_due = size || fin; /* also for what cannot be used */
    if (!c->peer_closed) {
        size_t taken = min(size - known, BUFFER - c->in_size);
        memcpy(c->in + c->in_size, data + known, taken);
        c->in_size += taken;
        c->peer_closed = fin && taken == size - known;
        c->expected += (uint32_t)taken + c->peer_closed;
    }
    serve(c);
}

void tcp_input(const struct peer *from, const void *segment, size_t size) {
    const struct header *header = segment;
    size_t offset = size < sizeof *header ? 0 : (header->offset >> 4) * 4u;
    if (offset < sizeof *header || offset > size || header->to != 80) return;
    FOR_EACH(c) {
        if (c->port != header->from || c->peer.address != from->address) continue;
        c->peer = *from;
        return segment_for(c, header, segment + offset, size - offset);
    }
    if ((header->flags & (SYN | ACK | RST | FIN)) == SYN) open(from, header);
    else refuse(from, header, size - offset);
}

void tcp_neighbour(uint32_t address, const uint8_t mac[6]) {
    FOR_EACH(c) {
        bool near = ((c->peer.address ^ net.address) & net.mask) == 0;
        if ((near ? c->peer.address : net.gateway) == address) memcpy(c->peer.mac, mac, 6);
    }
}

/* RFC 6298, section 5: what is in flight is sent again from its first byte, half as often each time. */
static void timed_out(struct tcp *c) {
    if (c->state == OPEN && c->tries == TRIES) send(c, RST, "", 0);
    if (c->state == FINISHED || c->tries == TRIES) return forget(c);
    if (unfinished(c)) c->tries++, c->next = c->unacked;
    else c->closing |= !c->waiting; /* in order: it was only idle */
    if (c->window == 0) c->window = 1; /* a closed one is probed with one byte */
    push(c);
}

uint64_t tcp_timers(uint64_t now, uint64_t next) {
    FOR_EACH(c) {
        if (c->waiting) serve(c);
        if (c->due <= now) timed_out(c);
        if (c->state != FREE) next = min(next, c->due);
    }
    return next;
}

bool tcp_finish(void) {
    bool done = true;
    FOR_EACH(c) {
        c->closing |= !c->waiting;
        push(c);
        done &= c->state != OPEN;
    }
    return done;
}
