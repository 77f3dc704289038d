/* The front end of Xen's block device, for reading, one request at a time: xen/io/blkif.h. */
#include "xen.h"
#include <xen/io/blkif.h>

SHARED_PAGES page[DISK_CHUNK], ring_page[PAGE];
static grant_ref_t page_grant;
static blkif_front_ring_t ring;
static struct device device;
static uint64_t sectors; /* of 512 bytes, whatever the disk's own are */

void blkfront_start(void) {
    if (!device_find(&device, "vbd")) return;
    XEN_FRONT_RING_INIT(&ring, (blkif_sring_t *)ring_page, PAGE);
    page_grant = grant(device.peer, page, 1, false);
    device_write(&device, "ring-ref", grant(device.peer, ring_page, 1, false));
    xenstore_write(device.path, "protocol", "x86_64-abi"); /* xen/io/protocols.h; Linux takes us for 32 bits without it */
    device_connect(&device);
    sectors = backend_number(&device, "sectors");
    log_line("disk: %lu bytes", disk_size());
}

uint64_t disk_size(void) { return sectors * 512; }

void disk_read(uint64_t offset, size_t size) {
    int notify;
    blkif_request_t *request = RING_GET_REQUEST(&ring, ring.req_prod_pvt++);
    *request = (blkif_request_t){.operation = BLKIF_OP_READ, .nr_segments = 1, .sector_number = offset / 512};
    request->seg[0] = (struct blkif_request_segment){.gref = page_grant, .last_sect = (uint8_t)(size / 512 - 1)};
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    if (notify) event_notify(device.port);
}

const uint8_t *disk_done(bool *failed) {
    int more;
    RING_FINAL_CHECK_FOR_RESPONSES(&ring, more); /* or be told when there is one */
    if (more) *failed = RING_GET_RESPONSE(&ring, ring.rsp_cons++)->status != BLKIF_RSP_OKAY;
    return more ? page : NULL;
}
