/* The unikernel above Xen: portable C that posix/ runs on Linux as well. Each file's part of it, from the wire upwards. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* --- What it needs from below: provided by the Xen side, or by posix/. All times are nanoseconds of one monotonic clock. --- */
#define MTU 1500
#define FRAME_SIZE (14 + MTU)
#define MS 1000000ull
#define SECOND (1000 * MS)
#define NEVER UINT64_MAX
uint64_t clock_now(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void eth_send(const uint8_t *frame, size_t size); /* may drop, as Ethernet may */

#define DISK_CHUNK 4096
uint64_t disk_size(void);                         /* bytes; 0: there is no disk */
void disk_read(uint64_t offset, size_t size);     /* at most a chunk; starts it, one at a time */
const uint8_t *disk_done(bool *failed);           /* the bytes, or what there is when it failed; NULL: not yet */

/* --- args.c: the command line, and what the unikernel is. --- */
struct options {
    const char *name;                /* of the domain */
    const char *version_text;        /* --version-text=TEXT, shorter than 64 */
    uint32_t address, mask, gateway; /* --ipv4=A/N, --ipv4-gateway=G; none: DHCP */
    const char *fail;                /* --fail=exit|crash|hang|mute, for tests; "": not at all */
    uint64_t start_delay;            /* --start-delay=MS: silent on the network for so long */
};
extern struct options options;
const char *options_parse(char *line); /* changes and keeps its words; returns NULL, or a sentence that says what is wrong */
bool is(const char *text, const char *word);
char *cut(char *text, char byte);      /* ends the text at the first such byte; returns what follows, or NULL: there is none */
bool number(const char **text, uint64_t limit, uint64_t *value); /* moves past its digits; false: none, or above the limit */

/* --- sha256.c: FIPS 180-4. --- */
struct sha256 { uint32_t state[8]; uint64_t size; uint8_t block[64]; };
#define SHA256_START {.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, \
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}}
void sha256_add(struct sha256 *hash, const void *data, size_t size);
const uint32_t *sha256_end(struct sha256 *hash); /* the digest, eight words of it */

/* --- disk.c: the digest of the first disk, made in the background of the event loop. --- */
const char *disk_digest(void); /* in hex, "" when it cannot be read; NULL: not yet */
bool disk_work(void);          /* a slice of it; true: call again at once */

/* --- net.c: Ethernet, ARP, IPv4, ICMP. IPv4 addresses are numbers. --- */
struct net {
    uint8_t mac[6];
    uint32_t address, mask, gateway; /* address 0: none yet, ask DHCP */
    uint64_t secret[4];              /* unpredictable: initial sequence numbers and DHCP transactions */
    uint64_t started;
};
extern struct net net;
void net_start(void);                                                   /* and again when there is another address */
void net_input(const uint8_t *frame, size_t size, bool checksum_known); /* known good: the bytes never left this machine */
uint64_t net_timers(uint64_t now);                                      /* runs what is due; returns when to be called next */

/* A header as it is on the wire: without padding, at any alignment; gcc swaps the bytes of what is read and written.
 * It warns of every pointer from or to `void`, whose bytes have no order. */
#define WIRE __attribute__((packed, may_alias, scalar_storage_order("big-endian")))
#pragma GCC diagnostic ignored "-Wscalar-storage-order"
#define DOTTED(address) (address) >> 24, (address) >> 16 & 255, (address) >> 8 & 255, (address) & 255 /* for %u.%u.%u.%u */

/* What is known of where a packet came from; an answer goes back the way the question came. */
struct peer { uint8_t mac[6]; uint32_t address; };
extern const struct peer everyone;
enum { ICMP = 1, TCP = 6, UDP = 17 };
void *ip_payload(void); /* where the next packet's payload is to be written: MTU - 20 bytes */
void ip_send(const struct peer *to, uint8_t protocol, size_t payload);
uint16_t ip_checksum(uint32_t peer, uint8_t protocol, const void *payload, size_t size); /* with the pseudo header */
uint32_t net_random(const void *about, size_t size); /* the same for the same `about`, but not to be guessed */

/* --- dhcp.c: asks for an address when there is none. --- */
void dhcp_input(const void *datagram, size_t size);
uint64_t dhcp_timers(uint64_t now);

/* --- tcp.c --- */
#define BUFFER 4096 /* smaller than the initial window of RFC 6928, so there is no congestion window to keep */
struct tcp {
    enum { FREE, HALF_OPEN, OPEN, FINISHED } state; /* FINISHED: our FIN is acknowledged, the peer's has not come */
    struct peer peer;
    uint16_t port;                     /* the peer's */
    uint32_t unacked, next, window, expected; /* RFC 9293's SND.UNA, SND.NXT, SND.WND and RCV.NXT */
    bool ack_due, peer_closed, closing, waiting; /* the last two from the application: no more comes; an answer is not ready */
    unsigned tries;                    /* how often the first byte in flight was sent again */
    uint64_t timeout, due;             /* before the first of them; the next of them, or the end when nothing is in flight */
    size_t in_size, out_size;          /* out starts at sequence number `unacked` */
    char in[BUFFER], out[BUFFER];
};
void tcp_input(const struct peer *from, const void *segment, size_t size);
void tcp_neighbour(uint32_t address, const uint8_t mac[6]);            /* a neighbour, maybe the gateway, has moved */
uint64_t tcp_timers(uint64_t now, uint64_t next);                      /* the earlier of `next` and its own next */
bool tcp_finish(void);                                                 /* closes what is idle; true when none is open */

/* --- http.c --- */
bool http_input(struct tcp *connection); /* answers the first request of `in`; false: there is none, or it is `waiting` */
