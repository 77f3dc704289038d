/* In place of blkfront.c: a disk of 100,000 bytes of 'x', read at once. */
#include "hello.h"

static uint8_t bytes[DISK_CHUNK];

uint64_t disk_size(void) { return 100000; }
void disk_read(uint64_t offset, size_t size) { (void)offset, memset(bytes, 'x', size); }
const uint8_t *disk_done(bool *failed) { return (void)failed, bytes; }
