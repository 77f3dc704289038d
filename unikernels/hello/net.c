/* Ethernet, and what ties the protocols together. */
#include "net.h"
#include "sha256.h"
#include <string.h>

struct net net;
const struct peer everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xffffffff};

/* Every field of a header is bytes, so it lies over a frame at any alignment, without padding. */
struct ethernet { uint8_t to[6], from[6]; be16 type; };
static uint8_t frame[FRAME_SIZE]; /* one packet is made at a time, here */

uint8_t *eth_payload(void) { return frame + sizeof(struct ethernet); }

void eth_frame_send(const uint8_t to[6], uint16_t type, size_t payload) {
    struct ethernet *header = (struct ethernet *)frame;
    memcpy(header->to, to, 6);
    memcpy(header->from, net.mac, 6);
    header->type = put16(type);
    eth_send(frame, sizeof *header + payload);
}

void net_input(const uint8_t *data, size_t size, bool checksum_known) {
    const struct ethernet *header = (const struct ethernet *)data;
    if (size < sizeof *header || header->from[0] & 1) return; /* no station has a group address */
    if (memcmp(header->to, net.mac, 6) != 0 && !(header->to[0] & 1)) return;
    const uint8_t *payload = data + sizeof *header;
    size -= sizeof *header;
    if (get16(header->type) == 0x0806) arp_input(payload, size);
    if (get16(header->type) == 0x0800) ip_input(header->from, payload, size, checksum_known);
}

uint32_t net_random(const void *about, size_t size) {
    struct sha256 hash;
    uint8_t digest[32];
    sha256_start(&hash);
    sha256_add(&hash, net.secret, sizeof net.secret);
    sha256_add(&hash, about, size);
    sha256_end(&hash, digest);
    return get32(*(be32 *)digest);
}

void net_start(void) {
    net.started = clock_now();
    if (net.address) arp_announce();
    else dhcp_start();
}

uint64_t net_timers(uint64_t now) {
    uint64_t tcp = tcp_timers(now), dhcp = dhcp_timers(now);
    return tcp < dhcp ? tcp : dhcp;
}
