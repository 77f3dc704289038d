/* IPv4 (RFC 791) without fragments, ICMP echo (RFC 792), and the checksum (RFC 1071). */
#include "net.h"
#include <string.h>

struct ipv4 { uint8_t version, service; be16 size, id, fragment; uint8_t ttl, protocol; be16 checksum; be32 from, to; };

/* The sum's complement goes on the wire; over bytes that hold their own it is 0. */
static be16 checksum(uint32_t sum, const void *data, size_t size) {
    const uint8_t *byte = data;
    for (; size > 1; byte += 2, size -= 2) sum += (uint32_t)(byte[0] << 8 | byte[1]);
    if (size) sum += (uint32_t)(byte[0] << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return put16(~sum);
}

be16 ip_checksum(uint32_t peer, uint8_t protocol, const void *payload, size_t size) {
    uint32_t sum = (net.address >> 16) + (net.address & 0xffff) + (peer >> 16) + (peer & 0xffff);
    return checksum(sum + protocol + (uint32_t)size, payload, size);
}

uint8_t *ip_payload(void) { return eth_payload() + sizeof(struct ipv4); }

void ip_send(const struct peer *to, uint8_t protocol, size_t payload) {
    static uint16_t id;
    struct ipv4 *ip = (struct ipv4 *)eth_payload();
    *ip = (struct ipv4){.version = 0x45, .size = put16(sizeof *ip + payload), .id = put16(id++), .ttl = 64,
                        .protocol = protocol, .from = put32(net.address), .to = put32(to->address)};
    ip->checksum = checksum(0, ip, sizeof *ip);
    eth_frame_send(to->mac, 0x0800, sizeof *ip + payload);
}

static void icmp_input(const struct peer *from, const uint8_t *message, size_t size) {
    if (size < 8 || message[0] != 8 || message[1] != 0 || get16(checksum(0, message, size)) != 0) return;
    uint8_t *echo = ip_payload();
    memcpy(echo, message, size);
    memset(echo, 0, 4); /* type 0 is the reply; the checksum counts as zero while it is made */
    be16 sum = checksum(0, echo, size);
    memcpy(echo + 2, &sum, 2);
    ip_send(from, ICMP, size);
}

void ip_input(const uint8_t mac[6], const uint8_t *packet, size_t size, bool checksum_known) {
    const struct ipv4 *ip = (const struct ipv4 *)packet;
    if (size < sizeof *ip || ip->version >> 4 != 4) return;
    size_t header = (ip->version & 15) * 4u, total = get16(ip->size);
    if (header < sizeof *ip || total < header || total > size || total > MTU) return;
    if (get16(checksum(0, ip, header)) != 0) return;
    if (get16(ip->fragment) & 0x3fff) return; /* a fragment; no peer of ours needs them, and they are a way to attack */

    const uint8_t *payload = packet + header;
    size_t length = total - header;
    struct peer from = {.address = get32(ip->from)};
    memcpy(from.mac, mac, 6);
    if (ip->protocol == UDP && length >= 8 && payload[2] == 0 && payload[3] == 68) dhcp_input(payload + 8, length - 8);
    if (!net.address || get32(ip->to) != net.address) return;
    if (from.address == 0 || from.address >> 28 >= 14 || from.address == net.address) return; /* no answerable source */
    if (ip->protocol == ICMP) icmp_input(&from, payload, length);
    if (ip->protocol != TCP) return;
    if (checksum_known || get16(ip_checksum(from.address, TCP, payload, length)) == 0) tcp_input(&from, payload, length);
}
