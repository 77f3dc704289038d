/* ARP, RFC 826. We answer for our own address and never ask: a server only answers, and an answer goes to
 * the station that the question came from. So a gateway whose hardware address changes costs nothing. */
#include "net.h"
#include <string.h>

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void send(uint16_t operation, const uint8_t *to, uint32_t to_ip) {
    struct arp *arp = (struct arp *)eth_payload();
    *arp = (struct arp){.hardware = put16(1), .protocol = put16(0x0800), .sizes = {6, 4}, .operation = put16(operation),
                        .from_ip = put32(net.address), .to_ip = put32(to_ip)};
    memcpy(arp->from, net.mac, 6);
    if (operation == 2) memcpy(arp->to, to, 6);
    eth_frame_send(to, 0x0806, sizeof *arp);
}

void arp_announce(void) { send(1, broadcast, net.address); }

void arp_input(const uint8_t *packet, size_t size) {
    const struct arp *arp = (const struct arp *)packet;
    if (size < sizeof *arp || get16(arp->hardware) != 1 || get16(arp->protocol) != 0x0800) return;
    if (arp->sizes[0] != 6 || arp->sizes[1] != 4 || arp->from[0] & 1 || !net.address) return;
    uint32_t from = get32(arp->from_ip);
    if (from && from != net.address) tcp_neighbour(from, arp->from);
    if (get16(arp->operation) == 1 && get32(arp->to_ip) == net.address) send(2, arp->from, from);
}
