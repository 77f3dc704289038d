/* The front end of Xen's block device, for reading: xen/io/blkif.h. */
#include "xen.h"
#include "disk.h"
#include <stdio.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

enum { SEGMENTS = DISK_CHUNK / PAGE };
_Static_assert(SEGMENTS == BLKIF_MAX_SEGMENTS_PER_REQUEST, "segments");

static uint8_t pages[DISK_SLOTS][SEGMENTS][PAGE] __attribute__((aligned(PAGE)));
static grant_ref_t grants[DISK_SLOTS][SEGMENTS];
static enum { PENDING, READ, FAILED } outcome[DISK_SLOTS];
static uint8_t ring_page[PAGE] __attribute__((aligned(PAGE)));
static blkif_front_ring_t ring;
static struct device device;
static uint64_t sectors; /* of 512 bytes, whatever the disk's own are */

bool blkfront_start(void) {
    char protocol[64];
    if (!device_find(&device, "vbd")) return false;
    SHARED_RING_INIT((blkif_sring_t *)ring_page);
    FRONT_RING_INIT(&ring, (blkif_sring_t *)ring_page, PAGE);
    for (unsigned i = 0; i < DISK_SLOTS * SEGMENTS; i++)
        grants[i / SEGMENTS][i % SEGMENTS] = grant(device.peer, pages[i / SEGMENTS][i % SEGMENTS], false);
    device_wait(&device, XenbusStateInitWait);
    device_share(&device, "ring-ref", ring_page);
    device_write(&device, "event-channel", device.port);
    snprintf(protocol, sizeof protocol, "%s/protocol", device.path);
    xenstore_write(protocol, XEN_IO_PROTO_ABI_X86_64);
    device_write(&device, "state", XenbusStateInitialised);
    device_wait(&device, XenbusStateConnected);
    sectors = device_number(device.backend, "sectors");
    device_write(&device, "state", XenbusStateConnected);
    return true;
}

uint64_t disk_size(void) { return device.path[0] ? sectors * 512 : 0; }

void disk_read(unsigned slot, uint64_t offset, size_t size) {
    int notify;
    outcome[slot] = device.path[0] ? PENDING : FAILED;
    if (!device.path[0]) return;
    blkif_request_t *request = RING_GET_REQUEST(&ring, ring.req_prod_pvt);
    *request = (blkif_request_t){.operation = BLKIF_OP_READ, .id = slot, .sector_number = offset / 512,
                                 .nr_segments = (uint8_t)((size + PAGE - 1) / PAGE)};
    for (unsigned i = 0; i < request->nr_segments; i++) {
        size_t part = size - i * PAGE < PAGE ? size - i * PAGE : PAGE;
        request->seg[i] = (struct blkif_request_segment){.gref = grants[slot][i], .last_sect = (uint8_t)(part / 512 - 1)};
    }
    ring.req_prod_pvt++;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    if (notify) event_notify(device.port);
}

const uint8_t *disk_done(unsigned slot, bool *failed) {
    int more;
    do {
        for (RING_IDX end = __atomic_load_n(&ring.sring->rsp_prod, __ATOMIC_ACQUIRE); ring.rsp_cons != end; ring.rsp_cons++) {
            const blkif_response_t *response = RING_GET_RESPONSE(&ring, ring.rsp_cons);
            outcome[response->id % DISK_SLOTS] = response->status == BLKIF_RSP_OKAY ? READ : FAILED;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
    } while (more);
    if (outcome[slot] == PENDING) return NULL;
    *failed |= outcome[slot] == FAILED;
    return pages[slot][0];
}
