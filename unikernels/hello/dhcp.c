/* DHCP, RFC 2131: ask for an address, keep it as long as we run. */
#include "hello.h"

struct WIRE number_option { uint8_t code, size; uint32_t value; };
struct WIRE message {
    uint16_t from_port, to_port, size, checksum; /* UDP's */
    uint8_t op, hardware, hardware_size, hops;
    uint32_t transaction;
    uint16_t seconds, flags;
    uint32_t client, yours, server, relay;
    uint8_t mac[16], names[192];
    uint32_t cookie;
    uint8_t kind[3], wanted[5];                  /* options as we send them; zeros between them are padding */
    struct number_option address, from;
    uint8_t end, padding[39];
};
enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };
enum { MASK = 1, ROUTER = 3, ADDRESS = 50, LEASE = 51, KIND = 53, SERVER = 54, WANTED = 55, END = 255, COOKIE = 0x63825363 };

static uint32_t offered, server;
static uint64_t due, wait = SECOND, lease_end;

static void ask(uint8_t kind) {
    struct message *m = ip_payload();
    *m = (struct message){.from_port = 68, .to_port = 67, .size = sizeof *m, .op = 1, .hardware = 1, .hardware_size = 6,
                          .transaction = net_random("dhcp", 4), .cookie = COOKIE, .kind = {KIND, 1, kind},
                          .wanted = {WANTED, 3, MASK, ROUTER, LEASE}, .end = END};
    memcpy(m->mac, net.mac, 6);
    if (kind == REQUEST) {
        m->address = (struct number_option){ADDRESS, 4, offered};
        m->from = (struct number_option){SERVER, 4, server};
    }
    m->checksum = ip_checksum(everyone.address, UDP, m, sizeof *m);
    ip_send(&everyone, UDP, sizeof *m);
    due = clock_now() + wait;
}

/* Begins anew: at the start, when nobody answers, and half through the lease, for the same address will be offered. */
uint64_t dhcp_timers(uint64_t now) {
    if (options.address) return NEVER;
    if (now < due) return due;
    if (now >= lease_end) net.address = 0;
    offered = 0;
    ask(DISCOVER);
    if (wait < 16 * SECOND) wait *= 2;
    return due;
}

void dhcp_input(const void *datagram, size_t size) {
    const struct message *m = datagram;
    if (size < offsetof(struct message, kind) || m->to_port != 68 || m->op != 2 || m->cookie != COOKIE) return;
    if (m->transaction != net_random("dhcp", 4) || options.address) return;

    uint32_t found[END] = {[LEASE] = 3600};
    const uint8_t *option = m->kind, *end = datagram + size;
    while (option < end && *option != END) {
        if (*option == 0) { option++; continue; } /* padding */
        if (end - option < 2 || end - option < 2 + option[1]) return;
        if (option[1] == 1) found[*option] = option[2];
        if (option[1] >= 4) found[*option] = ((const struct number_option *)option)->value;
        option += 2 + option[1];
    }

    if (found[KIND] == OFFER && !offered && m->yours && m->yours >> 28 < 14) {
        offered = m->yours, server = found[SERVER];
        ask(REQUEST);
    } else if (found[KIND] == ACK && offered && offered == m->yours) {
        net.address = offered, net.mask = found[MASK], net.gateway = found[ROUTER];
        due = clock_now() + found[LEASE] * SECOND / 2 + SECOND;
        lease_end = clock_now() + found[LEASE] * SECOND;
        log_line("dhcp: address %u.%u.%u.%u for %u s", DOTTED(offered), found[LEASE]);
        net_start();
    }
}
