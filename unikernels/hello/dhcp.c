/* DHCP, RFC 2131: ask for an address, keep it as long as we run. */
#include "net.h"
#include <string.h>

struct bootp {
    uint8_t op, hardware, hardware_size, hops;
    be32 transaction;
    be16 seconds, flags;
    be32 client, yours, server, relay;
    uint8_t mac[16], names[192];
    be32 cookie;
    uint8_t options[64];
};
struct udp { be16 from, to, size, checksum; };
enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };

static enum { OFF, SELECTING, REQUESTING, BOUND } state;
static uint32_t transaction, offered, server;
static uint64_t due = NEVER, wait, lease_end;

static uint8_t *add(uint8_t *option, uint8_t code, uint8_t size, const void *value) {
    option[0] = code;
    option[1] = size;
    memcpy(option + 2, value, size);
    return option + 2 + size;
}

static void send(uint8_t kind) {
    static const struct peer everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xffffffff};
    struct udp *udp = (struct udp *)ip_payload();
    struct bootp *m = (struct bootp *)(udp + 1);
    *m = (struct bootp){.op = 1, .hardware = 1, .hardware_size = 6, .transaction = put32(transaction),
                        .client = put32(net.address), .cookie = put32(0x63825363)};
    memcpy(m->mac, net.mac, 6);
    be32 address = put32(offered), from = put32(server);
    uint8_t *option = add(m->options, 53, 1, &kind);
    if (kind == REQUEST && !net.address) option = add(option, 50, 4, &address), option = add(option, 54, 4, &from);
    option = add(option, 55, 3, "\x01\x03\x33"); /* mask, router, lease time */
    *option = 0xff;
    size_t size = sizeof *udp + sizeof *m;
    *udp = (struct udp){.from = put16(68), .to = put16(67), .size = put16(size)};
    udp->checksum = put16(checksum_end(checksum_add(checksum_pseudo(net.address, ~0u, UDP, size), udp, size)));
    ip_send(&everyone, net.address, UDP, size);
}

static void ask(uint64_t now) {
    if (state == BOUND && now >= lease_end) {
        log_line("dhcp: the lease has ended, asking anew");
        net.address = 0;
    }
    if (state != REQUESTING && !net.address) state = SELECTING;
    send(state == SELECTING ? DISCOVER : REQUEST);
    wait = wait * 2 < 16 * SECOND ? wait * 2 : 16 * SECOND;
    due = now + wait;
    if (state == REQUESTING && wait >= 16 * SECOND) state = SELECTING; /* the server that offered is gone */
}

void dhcp_start(void) {
    transaction = net_random("dhcp", 4);
    wait = SECOND / 2;
    state = SELECTING;
    ask(clock_now());
}

void dhcp_input(const uint8_t *message, size_t size) {
    const struct bootp *m = (const struct bootp *)message;
    size_t fixed = offsetof(struct bootp, options);
    if (state == OFF || size < fixed || m->op != 2 || get32(m->cookie) != 0x63825363) return;
    if (get32(m->transaction) != transaction || memcmp(m->mac, net.mac, 6) != 0) return;

    uint32_t mask = 0, router = 0, from = 0, lease = 3600;
    uint8_t kind = 0;
    const uint8_t *option = message + fixed, *end = message + size;
    while (option < end && *option != 0xff) {
        if (*option == 0) { option++; continue; }
        if (end - option < 2 || end - option < 2 + option[1]) return;
        uint32_t value = option[1] >= 4 ? get32(*(const be32 *)(option + 2)) : 0;
        if (option[0] == 53 && option[1] == 1) kind = option[2];
        if (option[0] == 1) mask = value;
        if (option[0] == 3) router = value;
        if (option[0] == 51) lease = value;
        if (option[0] == 54) from = value;
        option += 2 + option[1];
    }

    uint64_t now = clock_now();
    uint32_t yours = get32(m->yours);
    if (kind == OFFER && state == SELECTING && yours && yours >> 28 < 14) {
        offered = yours, server = from;
        state = REQUESTING, wait = SECOND / 2;
        ask(now);
    } else if (kind == ACK && (state == REQUESTING || state == BOUND) && yours == offered) {
        bool fresh = !net.address;
        net.address = offered, net.mask = mask, net.gateway = router;
        state = BOUND, wait = 8 * SECOND;
        lease_end = now + lease * SECOND;
        due = now + lease * SECOND / 2 + SECOND;
        if (!fresh) return;
        log_line("dhcp: address %u.%u.%u.%u for %u s", offered >> 24, offered >> 16 & 255, offered >> 8 & 255, offered & 255, lease);
        arp_announce();
    } else if (kind == NAK && state >= REQUESTING) {
        net.address = 0;
        dhcp_start();
    }
}

uint64_t dhcp_timers(uint64_t now) {
    if (now >= due) ask(now);
    return due;
}
