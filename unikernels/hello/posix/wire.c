/* The network stack on a Linux tap device, behind a bad wire: `wire DEVICE PERCENT SEED ARGS…` loses, repeats, delays
 * (so reorders) and corrupts PERCENT of the frames each, in both directions. For Linux's own TCP as the other side. */
#include "hello.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { HELD = 512 };
static struct { uint64_t at; size_t size; bool inward; uint8_t frame[FRAME_SIZE]; } held[HELD];
static int tap;
static unsigned percent;
static uint64_t random_state;

uint64_t clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

void log_line(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

static uint64_t random_next(void) { /* xorshift64: the same seed gives the same faults */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static bool unlucky(void) { return random_next() % 100 < percent; }

static void deliver(bool inward, const uint8_t *frame, size_t size) {
    if (inward) net_input(frame, size, false);
    else if (write(tap, frame, size) < 0) perror("tap");
}

static void hold(bool inward, const uint8_t *frame, size_t size) {
    for (int i = 0; i < HELD; i++) {
        if (held[i].size) continue;
        held[i].at = clock_now() + random_next() % 20 * MS;
        held[i].size = size;
        held[i].inward = inward;
        memcpy(held[i].frame, frame, size);
        return;
    }
}

static void transmit(bool inward, const uint8_t *data, size_t size) {
    uint8_t frame[FRAME_SIZE];
    memcpy(frame, data, size);
    if (unlucky()) return;
    if (unlucky()) hold(inward, frame, size);
    if (unlucky()) return hold(inward, frame, size);
    bool ipv4 = size > 14 && frame[12] == 8 && frame[13] == 0; /* what has checksums; ARP has none */
    if (ipv4 && unlucky()) frame[14 + random_next() % (size - 14)] ^= (uint8_t)(1 << random_next() % 8);
    deliver(inward, frame, size);
}

void eth_send(const uint8_t *frame, size_t size) { transmit(false, frame, size); }

int main(int count, char **words) {
    char line[1000] = "";
    for (int i = 4; i < count; i++) snprintf(line + strlen(line), sizeof line - strlen(line), "%s ", words[i]);
    const char *complaint = count < 4 ? "wire DEVICE PERCENT SEED ARGS..." : options_parse(line);
    if (complaint) return fprintf(stderr, "%s\n", complaint), 2;
    percent = (unsigned)atoi(words[2]);
    random_state = strtoull(words[3], NULL, 10) * 2654435761u + 1;

    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", words[1]);
    tap = open("/dev/net/tun", O_RDWR);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) return perror(words[1]), 1;

    net = (struct net){.mac = {0, 0x16, 0x3e, 0, 0, 2}, .address = options.address, .mask = options.mask,
                       .gateway = options.gateway};
    net_start();
    for (;;) {
        uint64_t now = clock_now(), due = net_timers(now);
        for (int i = 0; i < HELD; i++) {
            if (held[i].size && held[i].at <= now) {
                deliver(held[i].inward, held[i].frame, held[i].size);
                held[i].size = 0;
            } else if (held[i].size && held[i].at < due) due = held[i].at;
        }
        while (disk_work()) {}
        due = net_timers(now) < due ? net_timers(now) : due;
        struct pollfd event = {.fd = tap, .events = POLLIN};
        if (poll(&event, 1, due == NEVER ? -1 : due > now ? (int)((due - now) / MS) + 1 : 0) <= 0) continue;
        uint8_t frame[FRAME_SIZE];
        ssize_t size = read(tap, frame, sizeof frame);
        if (size > 0) transmit(true, frame, (size_t)size);
    }
}
