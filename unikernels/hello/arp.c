/* ARP, RFC 826. We answer for our own address and never ask: a server only answers, and an answer goes to
 * the station that the question came from. So a gateway whose hardware address changes costs nothing. */
#include "net.h"
#include <string.h>

struct arp { be16 hardware, protocol; uint8_t sizes[2]; be16 operation; uint8_t from[6]; be32 from_ip; uint8_t to[6]; be32 to_ip; };
enum { REQUEST = 1, REPLY };

static void send(uint16_t operation, const uint8_t *to, uint32_t to_ip) {
    struct arp *arp = (struct arp *)eth_payload();
    *arp = (struct arp){.hardware = put16(1), .protocol = put16(0x0800), .sizes = {6, 4}, .operation = put16(operation),
                        .from_ip = put32(net.address), .to_ip = put32(to_ip)};
    memcpy(arp->from, net.mac, 6);
    if (operation == REPLY) memcpy(arp->to, to, 6);
    eth_frame_send(to, 0x0806, sizeof *arp);
}

void arp_announce(void) { send(REQUEST, everyone.mac, net.address); }

void arp_input(const uint8_t *packet, size_t size) {
    const struct arp *arp = (const struct arp *)packet;
    if (size < sizeof *arp || get16(arp->hardware) != 1 || get16(arp->protocol) != 0x0800) return;
    if (arp->sizes[0] != 6 || arp->sizes[1] != 4 || arp->from[0] & 1 || !net.address) return;
    uint32_t from = get32(arp->from_ip);
    if (from && from != net.address) tcp_neighbour(from, arp->from);
    if (get16(arp->operation) == REQUEST && get32(arp->to_ip) == net.address) send(REPLY, arp->from, from);
}
