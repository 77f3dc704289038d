/* The network stack: portable C that knows nothing of Xen. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MTU 1500
#define FRAME_SIZE (14 + MTU)
#define MS 1000000ull /* a millisecond; all times are nanoseconds on one monotonic clock */
#define SECOND (1000 * MS)
#define NEVER UINT64_MAX

/* --- What the stack needs from below: provided by the Xen side, or by posix/ on Linux. --- */
void eth_send(const uint8_t *frame, size_t size); /* may drop, as Ethernet may */
uint64_t clock_now(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- What it offers. IPv4 addresses are in host byte order. --- */
struct net {
    uint8_t mac[6];
    uint32_t address, mask, gateway; /* address 0: none yet, ask DHCP */
    uint8_t secret[32];              /* unpredictable: initial sequence numbers and DHCP transactions */
    uint64_t started;
};
extern struct net net;

void net_start(void);                                                   /* announces the address, or asks DHCP for one */
void net_input(const uint8_t *frame, size_t size, bool checksum_known); /* known good: the bytes never left this machine */
uint64_t net_timers(uint64_t now);                                      /* runs what is due; returns when to be called next */

/* --- Between its files. --- */
typedef struct { uint8_t bytes[2]; } be16;
typedef struct { uint8_t bytes[4]; } be32;
static inline uint16_t get16(be16 v) { return (uint16_t)(v.bytes[0] << 8 | v.bytes[1]); }
static inline uint32_t get32(be32 v) {
    return (uint32_t)v.bytes[0] << 24 | (uint32_t)(v.bytes[1] << 16 | v.bytes[2] << 8 | v.bytes[3]);
}
static inline be16 put16(size_t v) { return (be16){{(uint8_t)(v >> 8), (uint8_t)v}}; }
static inline be32 put32(uint32_t v) { return (be32){{(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}}; }
#define DOTTED(address) (address) >> 24, (address) >> 16 & 255, (address) >> 8 & 255, (address) & 255 /* for %u.%u.%u.%u */

/* What is known of where a packet came from; an answer goes back the way the question came. */
struct peer { uint8_t mac[6]; uint32_t address; };
extern const struct peer everyone;

uint8_t *eth_payload(void);
void eth_frame_send(const uint8_t to[6], uint16_t type, size_t payload);
uint32_t net_random(const void *about, size_t size); /* the same for the same `about`, but not to be guessed */

void arp_input(const uint8_t *packet, size_t size);
void arp_announce(void); /* RFC 5227: switches and neighbours learn where the address now is */

enum { ICMP = 1, TCP = 6, UDP = 17 };
uint8_t *ip_payload(void); /* where the next packet's payload is to be written: MTU - 20 bytes */
void ip_send(const struct peer *to, uint8_t protocol, size_t payload);
void ip_input(const uint8_t from[6], const uint8_t *packet, size_t size, bool checksum_known);
be16 ip_checksum(uint32_t to, uint8_t protocol, const void *payload, size_t size); /* with the pseudo header */

void dhcp_start(void);
void dhcp_input(const uint8_t *message, size_t size);
uint64_t dhcp_timers(uint64_t now);

void tcp_input(const struct peer *from, const uint8_t *segment, size_t size);
bool tcp_finish(void); /* closes what is idle; true when no connection is open */
void tcp_neighbour(uint32_t address, const uint8_t mac[6]); /* a neighbour, maybe the gateway, has moved */
uint64_t tcp_timers(uint64_t now);
