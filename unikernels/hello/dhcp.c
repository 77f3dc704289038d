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
    uint8_t options[32];
};
struct udp { be16 from, to, size, checksum; };
enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };
enum { MASK = 1, ROUTER = 3, ADDRESS = 50, LEASE = 51, KIND = 53, SERVER = 54, WANTED = 55, END = 255, COOKIE = 0x63825363 };

static uint32_t transaction, offered, server; /* nothing offered: we look for a server */
static uint64_t due = NEVER, wait, lease_end;

static uint8_t *add(uint8_t *option, uint8_t code, uint8_t size, const void *value) {
    option[0] = code;
    option[1] = size;
    memcpy(option + 2, value, size);
    return option + 2 + size;
}

static void send(uint8_t kind) {
    struct udp *udp = (struct udp *)ip_payload();
    struct bootp *m = (struct bootp *)(udp + 1);
    size_t size = sizeof *udp + sizeof *m;
    *m = (struct bootp){.op = 1, .hardware = 1, .hardware_size = 6, .transaction = put32(transaction),
                        .client = put32(net.address), .cookie = put32(COOKIE)};
    memcpy(m->mac, net.mac, 6);
    be32 address = put32(offered), from = put32(server);
    uint8_t *option = add(m->options, KIND, 1, &kind);
    if (kind == REQUEST && !net.address) option = add(add(option, ADDRESS, 4, &address), SERVER, 4, &from);
    *add(option, WANTED, 3, (uint8_t[]){MASK, ROUTER, LEASE}) = END;
    *udp = (struct udp){.from = put16(68), .to = put16(67), .size = put16(size)};
    udp->checksum = ip_checksum(everyone.address, UDP, udp, size);
    ip_send(&everyone, UDP, size);
}

uint64_t dhcp_timers(uint64_t now) {
    if (now < due) return due;
    if (net.address && now >= lease_end) {
        log_line("dhcp: the lease has ended, asking anew");
        net.address = offered = 0;
    }
    if (!net.address && wait > 8 * SECOND) offered = 0; /* the server that offered is gone */
    send(offered ? REQUEST : DISCOVER);
    due = now + wait;
    wait = wait < 8 * SECOND ? wait * 2 : 16 * SECOND;
    return due;
}

static void ask_soon(uint32_t address, uint32_t from) { offered = address, server = from, wait = SECOND, due = 0; }

void dhcp_start(void) {
    transaction = net_random("dhcp", 4);
    ask_soon(0, 0);
}

void dhcp_input(const uint8_t *message, size_t size) {
    const struct bootp *m = (const struct bootp *)message;
    size_t fixed = offsetof(struct bootp, options);
    if (due == NEVER || size < fixed || m->op != 2 || get32(m->cookie) != COOKIE) return;
    if (get32(m->transaction) != transaction || memcmp(m->mac, net.mac, 6) != 0) return;

    uint32_t found[END] = {[LEASE] = 3600};
    for (const uint8_t *option = message + fixed, *end = message + size; option < end && *option != END;) {
        if (*option == 0) { option++; continue; } /* padding */
        if (end - option < 2 || end - option < 2 + option[1]) return;
        if (option[1] == 1) found[*option] = option[2];
        if (option[1] >= 4) found[*option] = get32(*(const be32 *)(option + 2));
        option += 2 + option[1];
    }

    uint64_t now = clock_now();
    uint32_t yours = get32(m->yours);
    if (found[KIND] == OFFER && !offered && yours && yours >> 28 < 14) ask_soon(yours, found[SERVER]);
    else if (found[KIND] == NAK && offered) net.address = 0, ask_soon(0, 0);
    else if (found[KIND] == ACK && offered && offered == yours) {
        bool fresh = !net.address;
        net.address = yours, net.mask = found[MASK], net.gateway = found[ROUTER];
        lease_end = now + found[LEASE] * SECOND;
        due = now + found[LEASE] * SECOND / 2 + SECOND, wait = 8 * SECOND;
        if (!fresh) return;
        log_line("dhcp: address %u.%u.%u.%u for %u s", DOTTED(yours), found[LEASE]);
        arp_announce();
    }
}
