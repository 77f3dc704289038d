/* Reads ahead by DISK_SLOTS chunks, hashes them in order, one chunk a turn so that requests are answered between. */
#include "disk.h"
#include "sha256.h"

static struct sha256 hash;
static uint64_t asked, hashed, end; /* bytes; a chunk's slot is its number modulo DISK_SLOTS */
static bool running, failed;

static size_t chunk_at(uint64_t offset) { return end - offset < DISK_CHUNK ? end - offset : DISK_CHUNK; }
static unsigned slot_of(uint64_t offset) { return (unsigned)(offset / DISK_CHUNK % DISK_SLOTS); }

void disk_hash(void) {
    if (running) return;
    running = true;
    failed = false;
    asked = hashed = 0;
    end = disk_size();
    sha256_start(&hash);
}

bool disk_work(void) {
    if (!running) return false;
    while (!failed && asked < end && asked - hashed < (uint64_t)DISK_SLOTS * DISK_CHUNK) {
        disk_read(slot_of(asked), asked, chunk_at(asked));
        asked += chunk_at(asked);
    }
    if (hashed < asked) { /* after a failure the requests under way are still waited for: their pages are in use */
        const uint8_t *data = disk_done(slot_of(hashed), &failed);
        if (!data) return false;
        if (!failed) sha256_add(&hash, data, chunk_at(hashed));
        hashed += chunk_at(hashed);
        if (hashed < asked || (!failed && asked < end)) return true;
    }
    uint8_t digest[32];
    sha256_end(&hash, digest);
    running = false;
    http_disk(failed ? 0 : digest, end);
    return false;
}
