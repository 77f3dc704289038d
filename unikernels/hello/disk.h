/* The digest of the first disk, made in the background of the event loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_CHUNK (11 * 4096) /* as much as one request of the block protocol without indirect segments holds */
#define DISK_SLOTS 8           /* requests under way at once */

/* Provided by blkfront.c. */
uint64_t disk_size(void);                                       /* bytes; 0: there is no disk */
void disk_read(unsigned slot, uint64_t offset, size_t size);    /* starts it; the slot is free or done */
const uint8_t *disk_done(unsigned slot, bool *failed);          /* NULL: not yet; `failed` is set if it did */

/* Offered to http.c and main.c. */
void disk_hash(void);      /* begins, unless it is under way; the end is told to http_disk */
bool disk_work(void);      /* a slice of it; true: call again at once */

/* Provided by http.c; digest NULL: the disk could not be read. */
void http_disk(const uint8_t *digest, uint64_t size);
