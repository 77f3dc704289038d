/* Ethernet, ARP (RFC 826), IPv4 (RFC 791) without fragments, ICMP echo (RFC 792), and the checksum (RFC 1071).
 * We answer ARP for our own address and never ask: a server only answers, and an answer goes to the station that the
 * question came from. So a gateway whose hardware address changes costs nothing. */
#include "hello.h"

struct WIRE ethernet { uint8_t to[6], from[6]; uint16_t type; };
struct WIRE arp {
    uint16_t hardware, protocol; uint8_t sizes[2]; uint16_t operation; uint8_t from[6]; uint32_t from_ip; uint8_t to[6]; uint32_t to_ip;
};
struct WIRE ipv4 { uint8_t version, service; uint16_t size, id, fragment; uint8_t ttl, protocol; uint16_t checksum; uint32_t from, to; };
struct WIRE icmp { uint8_t type, code; uint16_t checksum; uint32_t rest; };
enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, ARP_REQUEST = 1, ARP_REPLY = 2, ECHO_REPLY = 0, ECHO_REQUEST = 8 };

struct net net;
const struct peer everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xffffffff};
static uint8_t frame[FRAME_SIZE]; /* one packet is made at a time, here */

static void frame_send(const uint8_t to[6], uint16_t type, size_t payload) {
    struct ethernet *header = (struct ethernet *)frame;
    memcpy(header->to, to, 6);
    memcpy(header->from, net.mac, 6);
    header->type = type;
    eth_send(frame, sizeof *header + payload);
}

static void arp_send(uint16_t operation, const uint8_t to[6], uint32_t to_ip) {
    struct arp *arp = (struct arp *)(frame + sizeof(struct ethernet));
    *arp = (struct arp){1, TYPE_IPV4, {6, 4}, operation, {0}, net.address, {0}, to_ip};
    memcpy(arp->from, net.mac, 6);
    if (operation == ARP_REPLY) memcpy(arp->to, to, 6);
    frame_send(to, TYPE_ARP, sizeof *arp);
}

static void arp_input(const struct arp *arp, size_t size) {
    if (size < sizeof *arp || arp->protocol != TYPE_IPV4 || !net.address) return;
    if (arp->from_ip) tcp_neighbour(arp->from_ip, arp->from);
    if (arp->operation == ARP_REQUEST && arp->to_ip == net.address) arp_send(ARP_REPLY, arp->from, arp->from_ip);
}

/* The sum's complement goes on the wire; over bytes that hold their own it is 0. */
static uint16_t checksum(uint32_t sum, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) sum += (uint32_t)(i % 2 ? bytes[i] : bytes[i] << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint16_t ip_checksum(uint32_t peer, uint8_t protocol, const void *payload, size_t size) {
    uint32_t sum = (net.address >> 16) + (net.address & 0xffff) + (peer >> 16) + (peer & 0xffff);
    return checksum(sum + protocol + (uint32_t)size, payload, size);
}

void *ip_payload(void) { return frame + sizeof(struct ethernet) + sizeof(struct ipv4); }

void ip_send(const struct peer *to, uint8_t protocol, size_t payload) {
    struct ipv4 *ip = (struct ipv4 *)ip_payload() - 1;
    *ip = (struct ipv4){.version = 0x45, .size = (uint16_t)(sizeof *ip + payload), .fragment = 0x4000 /* never */, .ttl = 64,
                        .protocol = protocol, .from = net.address, .to = to->address};
    ip->checksum = checksum(0, ip, sizeof *ip);
    frame_send(to->mac, TYPE_IPV4, sizeof *ip + payload);
}

static void icmp_input(const struct peer *from, const void *message, size_t size) {
    const struct icmp *request = message;
    struct icmp *echo = ip_payload();
    if (size < sizeof *echo || request->type != ECHO_REQUEST || request->code != 0 || checksum(0, message, size) != 0) return;
    memcpy(echo, message, size);
    echo->type = ECHO_REPLY;
    echo->checksum = 0; /* it counts as zero while it is made */
    echo->checksum = checksum(0, echo, size);
    ip_send(from, ICMP, size);
}

/* Without options and fragments: no peer of ours needs them, and they are a way to attack. */
static void ip_input(const uint8_t mac[6], const struct ipv4 *ip, size_t size, bool checksum_known) {
    if (size < sizeof *ip || ip->version != 0x45 || ip->fragment & 0x3fff || checksum(0, ip, sizeof *ip) != 0) return;
    if (ip->size < sizeof *ip || ip->size > size || ip->size > MTU) return;
    const void *payload = ip + 1;
    size_t length = ip->size - sizeof *ip;
    struct peer from = {.address = ip->from};
    memcpy(from.mac, mac, 6);
    if (ip->protocol == UDP) dhcp_input(payload, length);
    if (!net.address || ip->to != net.address) return;
    if (from.address == 0 || from.address >> 28 >= 14 || from.address == net.address) return; /* no answerable source */
    if (ip->protocol == ICMP) icmp_input(&from, payload, length);
    if (ip->protocol != TCP) return;
    if (checksum_known || ip_checksum(from.address, TCP, payload, length) == 0) tcp_input(&from, payload, length);
}

void net_input(const uint8_t *data, size_t size, bool checksum_known) {
    const struct ethernet *header = (const struct ethernet *)data;
    const void *payload = header + 1;
    if (size < sizeof *header || header->from[0] & 1) return; /* no station has a group address */
    if (memcmp(header->to, net.mac, 6) != 0 && !(header->to[0] & 1)) return;
    if (header->type == TYPE_ARP) arp_input(payload, size - sizeof *header);
    if (header->type == TYPE_IPV4) ip_input(header->from, payload, size - sizeof *header, checksum_known);
}

uint32_t net_random(const void *about, size_t size) {
    struct sha256 hash = SHA256_START;
    sha256_add(&hash, net.secret, sizeof net.secret);
    sha256_add(&hash, about, size);
    return *sha256_end(&hash);
}

/* RFC 5227: switches and neighbours learn where the address now is. */
void net_start(void) {
    if (!net.started) net.started = clock_now();
    if (net.address) arp_send(ARP_REQUEST, everyone.mac, net.address);
}

uint64_t net_timers(uint64_t now) { return tcp_timers(now, dhcp_timers(now)); }
