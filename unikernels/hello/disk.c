/* Reads and hashes one chunk a turn, so that requests are answered between. */
#include "disk.h"
#include "sha256.h"
#include "tcp.h"

static struct sha256 hash;
static enum disk_state state;

static size_t chunk(void) { return disk_size() - hash.size < DISK_CHUNK ? disk_size() - hash.size : DISK_CHUNK; }

enum disk_state disk_digest(uint8_t digest[32]) {
    if (state == DISK_IDLE) {
        state = DISK_READING;
        sha256_start(&hash);
        disk_read(0, chunk());
    }
    if (state == DISK_READ) {
        struct sha256 whole = hash; /* more than one may ask */
        sha256_end(&whole, digest);
    }
    return state;
}

bool disk_work(void) {
    if (state != DISK_READING) return false;
    bool failed = false;
    const uint8_t *data = disk_done(&failed);
    if (!data) return false;
    if (!failed) sha256_add(&hash, data, chunk());
    if (!failed && chunk() > 0) return disk_read(hash.size, chunk()), true;
    state = failed ? DISK_FAILED : DISK_READ;
    tcp_wake(); /* all who wait get this answer; who asks later gets a new one */
    state = DISK_IDLE;
    return false;
}
