/* The front end of Xen's block device, for reading, one request at a time: xen/io/blkif.h. */
#include "xen.h"
#include "disk.h"
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

enum { SEGMENTS = DISK_CHUNK / PAGE };
_Static_assert(SEGMENTS == BLKIF_MAX_SEGMENTS_PER_REQUEST, "segments");

SHARED_PAGES pages[SEGMENTS][PAGE], ring_page[PAGE];
static grant_ref_t grants[SEGMENTS];
static blkif_front_ring_t ring;
static struct device device;
static uint64_t sectors; /* of 512 bytes, whatever the disk's own are */

bool blkfront_start(void) {
    if (!device_find(&device, "vbd")) return false;
    XEN_FRONT_RING_INIT(&ring, (blkif_sring_t *)ring_page, PAGE);
    for (unsigned i = 0; i < SEGMENTS; i++) grants[i] = grant(device.peer, pages[i], false);
    device_wait(&device, XenbusStateInitWait);
    device_share(&device, "ring-ref", ring_page);
    device_write(&device, "event-channel", device.port);
    xenstore_write(device.path, "protocol", XEN_IO_PROTO_ABI_X86_64);
    device_write(&device, "state", XenbusStateInitialised);
    device_wait(&device, XenbusStateConnected);
    sectors = device_number(device.backend, "sectors");
    device_write(&device, "state", XenbusStateConnected);
    return true;
}

uint64_t disk_size(void) { return device.path[0] ? sectors * 512 : 0; }

void disk_read(uint64_t offset, size_t size) {
    int notify;
    blkif_request_t *request = RING_GET_REQUEST(&ring, ring.req_prod_pvt++);
    *request = (blkif_request_t){.operation = BLKIF_OP_READ, .sector_number = offset / 512};
    for (uint8_t *n = &request->nr_segments; *n * PAGE < size; ++*n) {
        size_t part = size - *n * PAGE < PAGE ? size - *n * PAGE : PAGE;
        request->seg[*n] = (struct blkif_request_segment){.gref = grants[*n], .last_sect = (uint8_t)(part / 512 - 1)};
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    if (notify) event_notify(device.port);
}

const uint8_t *disk_done(bool *failed) {
    int more;
    RING_FINAL_CHECK_FOR_RESPONSES(&ring, more); /* or be told when there is one */
    if (more) *failed = RING_GET_RESPONSE(&ring, ring.rsp_cons++)->status != BLKIF_RSP_OKAY;
    else if (!device.path[0]) *failed = true; /* taken away meanwhile */
    return more || *failed ? pages[0] : NULL;
}
