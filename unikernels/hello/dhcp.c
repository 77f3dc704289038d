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

static uint32_t transaction, offered, server; /* nothing offered: we look for a server */
static uint64_t due = NEVER, wait, lease_end;

static void send(uint8_t kind) {
    struct message *m = ip_payload();
    *m = (struct message){.from_port = 68, .to_port = 67, .size = sizeof *m, .op = 1, .hardware = 1, .hardware_size = 6,
                          .transaction = transaction, .client = net.address, .cookie = COOKIE, .kind = {KIND, 1, kind},
                          .wanted = {WANTED, 3, MASK, ROUTER, LEASE}, .end = END};
    memcpy(m->mac, net.mac, 6);
    if (kind == REQUEST && !net.address) {
        m->address = (struct number_option){ADDRESS, 4, offered};
        m->from = (struct number_option){SERVER, 4, server};
    }
    m->checksum = ip_checksum(everyone.address, UDP, m, sizeof *m);
    ip_send(&everyone, UDP, sizeof *m);
}

static void ask_soon(uint32_t address, uint32_t from) { offered = address, server = from, wait = SECOND, due = 0; }

uint64_t dhcp_timers(uint64_t now) {
    if (!net.address && due == NEVER) transaction = net_random("dhcp", 4), ask_soon(0, 0);
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

void dhcp_input(const void *datagram, size_t size) {
    const struct message *m = datagram;
    if (due == NEVER || size < offsetof(struct message, kind) || m->to_port != 68 || m->op != 2 || m->cookie != COOKIE) return;
    if (m->transaction != transaction || memcmp(m->mac, net.mac, 6) != 0) return;

    uint32_t found[END] = {[LEASE] = 3600};
    const uint8_t *option = m->kind, *end = datagram + size;
    while (option < end && *option != END) {
        if (*option == 0) { option++; continue; } /* padding */
        if (end - option < 2 || end - option < 2 + option[1]) return;
        if (option[1] == 1) found[*option] = option[2];
        if (option[1] >= 4) found[*option] = ((const struct number_option *)option)->value;
        option += 2 + option[1];
    }

    uint64_t now = clock_now();
    if (found[KIND] == OFFER && !offered && m->yours && m->yours >> 28 < 14) ask_soon(m->yours, found[SERVER]);
    else if (found[KIND] == NAK && offered) net.address = 0, ask_soon(0, 0);
    else if (found[KIND] == ACK && offered && offered == m->yours) {
        bool fresh = !net.address;
        net.address = offered, net.mask = found[MASK], net.gateway = found[ROUTER];
        lease_end = now + found[LEASE] * SECOND;
        due = now + found[LEASE] * SECOND / 2 + SECOND, wait = 8 * SECOND;
        if (!fresh) return;
        log_line("dhcp: address %u.%u.%u.%u for %u s", DOTTED(offered), found[LEASE]);
        arp_announce();
    }
}
