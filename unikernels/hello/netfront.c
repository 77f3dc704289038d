/* The front end of Xen's network device: xen/io/netif.h. One queue, one page a frame, no offloads. */
#include "xen.h"
#include <xen/io/netif.h>

enum { SLOTS = __CONST_RING_SIZE(netif_rx, PAGE) }; /* of the other ring, too */

SHARED_PAGES rx_pages[SLOTS][PAGE], tx_pages[SLOTS][PAGE], rx_ring[PAGE], tx_ring[PAGE];
static netif_rx_front_ring_t rx;
static netif_tx_front_ring_t tx;
static grant_ref_t rx_grants, tx_grants; /* of the first pages */
static bool tx_busy[SLOTS];
static struct device device;

/* The slot's own page goes back to the backend at once: a frame is used up before the next is looked at. */
static void offer(unsigned slot) {
    *RING_GET_REQUEST(&rx, rx.req_prod_pvt++) = (netif_rx_request_t){.id = (uint16_t)slot, .gref = rx_grants + slot};
}

static int digit(char hex) { return hex <= '9' ? hex - '0' : hex - 'a' + 10; }

void netfront_start(void) {
    if (!device_find(&device, "vif"))
        stop(SHUTDOWN_poweroff, "network: this domain has no vif; give it one, as vif = [ 'bridge=xenbr0' ]");
    const char *mac = xenstore_read(device.path, "mac");
    log_line("network: %s", mac);
    for (int i = 0; i < 6; i++, mac += 3) net.mac[i] = (uint8_t)(digit(mac[0]) << 4 | digit(mac[1]));
    XEN_FRONT_RING_INIT(&rx, (netif_rx_sring_t *)rx_ring, PAGE);
    XEN_FRONT_RING_INIT(&tx, (netif_tx_sring_t *)tx_ring, PAGE);
    rx_grants = grant(device.peer, rx_pages, SLOTS, false);
    tx_grants = grant(device.peer, tx_pages, SLOTS, true);
    for (unsigned slot = 0; slot < SLOTS; slot++) offer(slot);
    RING_PUSH_REQUESTS(&rx);
    device_write(&device, "tx-ring-ref", grant(device.peer, tx_ring, 1, false));
    device_write(&device, "rx-ring-ref", grant(device.peer, rx_ring, 1, false));
    device_write(&device, "request-rx-copy", 1);
    device_write(&device, "feature-rx-notify", 1);
    device_write(&device, "feature-no-csum-offload", 1); /* dom0 completes checksums before it hands us a frame */
    device_connect(&device);
}

bool netfront_poll(bool deaf) {
    int more;
    RING_IDX end = __atomic_load_n(&rx.sring->rsp_prod, __ATOMIC_ACQUIRE);
    for (; rx.rsp_cons != end; rx.rsp_cons++) {
        netif_rx_response_t response = *RING_GET_RESPONSE(&rx, rx.rsp_cons);
        unsigned slot = response.id % SLOTS;
        bool whole = response.status > 0 && response.offset + response.status <= PAGE &&
                     !(response.flags & (NETRXF_more_data | NETRXF_extra_info));
        bool known = response.flags & (NETRXF_data_validated | NETRXF_csum_blank);
        if (whole && !deaf) net_input(rx_pages[slot] + response.offset, (size_t)response.status, known);
        offer(slot);
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&rx, more);
    if (more) event_notify(device.port);
    RING_FINAL_CHECK_FOR_RESPONSES(&rx, more);
    return more;
}

/* Pages are used in turn; one is free again when its response has come, and those come in any order. */
void eth_send(const uint8_t *frame, size_t size) {
    int notify;
    RING_IDX end = __atomic_load_n(&tx.sring->rsp_prod, __ATOMIC_ACQUIRE);
    while (tx.rsp_cons != end) tx_busy[RING_GET_RESPONSE(&tx, tx.rsp_cons++)->id % SLOTS] = false;
    uint16_t slot = tx.req_prod_pvt % SLOTS;
    if (tx_busy[slot]) return; /* dropped, as any Ethernet may; TCP sends again */
    tx_busy[slot] = true;
    memcpy(tx_pages[slot], frame, size);
    *RING_GET_REQUEST(&tx, tx.req_prod_pvt++) = (netif_tx_request_t){.gref = tx_grants + slot, .id = slot, .size = (uint16_t)size};
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&tx, notify);
    if (notify) event_notify(device.port);
}
