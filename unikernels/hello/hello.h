/* The unikernel above Xen: portable C that posix/ runs on Linux as well. Each file's part of it, from the wire upwards. */
#pragma once
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
/* Moves *text past digits of `base`; false: there are none, or their value is above `limit`. */
bool number(const char **text, unsigned base, uint64_t limit, uint64_t *value);

/* --- sha256.c: FIPS 180-4. --- */
struct sha256 { uint32_t state[8]; uint64_t size; uint8_t block[64]; };
void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);
void sha256_end(struct sha256 *hash, uint8_t digest[32]);

/* --- disk.c: the digest of the first disk, made in the background of the event loop. --- */
const char *disk_digest(void); /* in hex, "" when it cannot be read; NULL: not yet, `tcp_wake` will say when */
bool disk_work(void);          /* a slice of it; true: call again at once */

/* --- net.c: Ethernet, ARP, IPv4, ICMP. IPv4 addresses are numbers. --- */
struct net {
    uint8_t mac[6];
    uint32_t address, mask, gateway; /* address 0: none yet, ask DHCP */
    uint8_t secret[32];              /* unpredictable: initial sequence numbers and DHCP transactions */
    uint64_t started;
};
extern struct net net;
void net_start(void);                                                   /* announces the address, if there is one */
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
void arp_announce(void);                             /* RFC 5227: switches and neighbours learn where the address now is */
uint32_t net_random(const void *about, size_t size); /* the same for the same `about`, but not to be guessed */

/* --- dhcp.c: asks for an address when there is none. --- */
void dhcp_input(const void *datagram, size_t size);
uint64_t dhcp_timers(uint64_t now);

/* --- tcp.c --- */
#define BUFFER 4096 /* smaller than the initial window of RFC 6928, so there is no congestion window to keep */
struct tcp {
    enum { FREE, HALF_OPEN, OPEN, FINISHED } state; /* FINISHED: our FIN is acknowledged, the peer's has not come */
    struct peer peer;
    uint16_t port, mss;                /* the peer's */
    uint32_t unacked, next, window;    /* RFC 9293's SND.UNA, SND.NXT and SND.WND */
    uint32_t expected;                 /* RCV.NXT */
    bool ack_due, peer_closed, closing;
    bool waiting;                      /* for the application */
    unsigned tries;                    /* how often the first byte in flight was sent again */
    uint64_t timeout;                  /* before the first of them */
    uint64_t resend_at, expires;       /* resend_at NEVER: nothing in flight */
    size_t in_size, out_size;          /* out starts at sequence number `unacked` */
    uint8_t in[BUFFER], out[BUFFER];
};
void tcp_input(const struct peer *from, const void *segment, size_t size);
void tcp_neighbour(uint32_t address, const uint8_t mac[6]);            /* a neighbour, maybe the gateway, has moved */
uint64_t tcp_timers(uint64_t now);
void tcp_write(struct tcp *connection, const void *data, size_t size); /* at most BUFFER - out_size */
void tcp_close(struct tcp *connection);                                /* after what was written */
void tcp_wake(void);                                                   /* calls http_input for all that are open */
bool tcp_finish(void);                                                 /* closes what is idle; true when none is open */

/* --- http.c: takes what it can of `in`; called again when more is there, or more room, or at tcp_wake.
 * True: there is a request, and it waits for tcp_wake. --- */
bool http_input(struct tcp *connection);
