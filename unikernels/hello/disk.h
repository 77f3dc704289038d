/* The digest of the first disk, made in the background of the event loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_CHUNK (11 * 4096) /* as much as one request of the block protocol holds without indirect segments */

/* Provided by blkfront.c: one request at a time. */
uint64_t disk_size(void);                       /* bytes; 0: there is no disk */
void disk_read(uint64_t offset, size_t size);   /* starts it */
const uint8_t *disk_done(bool *failed);         /* the bytes, or what there is when it failed; NULL: not yet */

/* Offered to http.c and main.c. */
enum disk_state { DISK_IDLE, DISK_READING, DISK_READ, DISK_FAILED };
enum disk_state disk_digest(uint8_t digest[32]); /* starts it; asked again when `tcp_wake` says that there is news */
bool disk_work(void);                            /* a slice of it; true: call again at once */
