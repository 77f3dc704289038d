/* Event channels, time, and sleeping on both. Interrupts stay off for the whole life of the unikernel: SCHEDOP_poll
 * returns when one of our ports is pending or its time is up, and works alike in PVH and HVM, with no vector to set up. */
#include "xen.h"
#include <xen/event_channel.h>
#include <xen/sched.h>

static port_t ports[8];
static unsigned port_count;
static bool taken;

port_t event_alloc(domid_t peer) {
    evtchn_alloc_unbound_t request = {.dom = DOMID_SELF, .remote_dom = peer};
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request, 0);
    return request.port;
}

void event_listen(port_t port) { ports[port_count++] = port; }

void event_notify(port_t port) { hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &(evtchn_send_t){port}, 0); }

/* Callers clear nothing: pending bits are cleared here, before the caller looks at its rings, so none is missed. */
void event_wait(uint64_t deadline) {
    struct sched_poll poll = {.nr_ports = port_count, .timeout = deadline == NEVER ? 0 : deadline};
    set_xen_guest_handle(poll.ports, ports);
    if (deadline > clock_now()) hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll, 0);
    for (unsigned i = 0; i < port_count; i++) {
        uint64_t bit = 1ul << ports[i] % 64;
        if (__atomic_fetch_and(&shared_info->evtchn_pending[ports[i] / 64], ~bit, __ATOMIC_SEQ_CST) & bit) taken = true;
    }
}

/* For the event loop. A driver that waited for its own answer may have taken the event of another in passing. */
void event_sleep(uint64_t deadline) {
    event_wait(taken ? 0 : deadline);
    taken = false;
}

/* Xen gives a time and the TSC of that moment; the version is odd while it writes. */
uint64_t clock_now(void) {
    const volatile vcpu_time_info_t *time = &shared_info->vcpu_info[0].time;
    for (;;) {
        uint32_t version = time->version, low, high;
        xen_rmb();
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
        uint64_t ticks = ((uint64_t)high << 32 | low) - time->tsc_timestamp;
        ticks = time->tsc_shift < 0 ? ticks >> -time->tsc_shift : ticks << time->tsc_shift;
        uint64_t now = time->system_time + (uint64_t)((unsigned __int128)ticks * time->tsc_to_system_mul >> 32);
        xen_rmb();
        if (!(version & 1) && version == time->version) return now;
    }
}

void stop(unsigned reason) {
    console_flush(clock_now() + SECOND);
    for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &(struct sched_shutdown){reason}, 0);
}
