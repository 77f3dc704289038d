/* hello: from the first instruction in C to the event loop. Boot, tell each step on the console, serve until told to stop. */
#include "xen.h"
#include <cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>

#define MULTIBOOT_MAGIC 0x2BADB002
struct multiboot_info { uint32_t flags, mem_lower, mem_upper, boot_device, cmdline; };

static void boot(uintptr_t record, bool multiboot) {
    static char line[1024];
    const struct multiboot_info *info = (const void *)record;
    const struct hvm_start_info *start = (const void *)record;
    uint64_t text = !multiboot ? start->cmdline_paddr : info->flags & 4 ? info->cmdline : 0;
    if (text) snprintf(line, sizeof line, "%s", (const char *)text);

    traps_start();
    xen_start();
    console_start();
    log_line("hello " VERSION " (build " BUILD_ID ")");
    log_line("boot: %s", multiboot ? "multiboot (HVM)" : "PVH");
    log_line("arguments: %s", line);
    const char *complaint = options_parse(line);
    if (!complaint) return;
    log_line("%s", complaint);
    stop(SHUTDOWN_poweroff); /* as a MirageOS unikernel stops when it cannot read its arguments */
}

static void gather_entropy(void) {
    struct { uint64_t clock, random; uint8_t mac[8]; } seed = {.clock = clock_now()};
    uint32_t a, b, features, d;
    __cpuid(1, a, b, features, d);
    if (features & bit_RDRND) __asm__ volatile("rdrand %0" : "=r"(seed.random));
    memcpy(seed.mac, net.mac, sizeof net.mac);
    memcpy(net.secret, &seed, sizeof seed);
}

static void misbehave(const char *how) {
    if (*how) log_line("fail: %s, as asked", how);
    if (is(how, "exit")) stop(SHUTDOWN_poweroff);
    if (is(how, "crash")) *(volatile int *)(1ul << 40) = 0; /* not mapped */
    if (is(how, "hang"))
        for (;;) __asm__ volatile("pause");
}

/* control/shutdown (docs/misc/xenstore-paths.pandoc): taken by writing it empty. Returns the reason, or -1. */
static int asked_to_stop(void) {
    const char *how = xenstore_read("control", "shutdown");
    if (!how || !*how) return -1;
    log_line("control/shutdown: %s", how);
    bool reboot = is(how, "reboot"), off = is(how, "poweroff") || is(how, "halt");
    xenstore_write("control", "shutdown", "");
    return reboot ? SHUTDOWN_reboot : off ? SHUTDOWN_poweroff : -1;
}

static void loop(uint64_t silent_until) {
    uint64_t stop_by = NEVER;
    int reason = -1;
    for (bool serving = false;;) {
        uint64_t now = clock_now();
        if (xenstore_changed()) {
            devices_check();
            if (reason < 0 && (reason = asked_to_stop()) >= 0) stop_by = now + SECOND;
            continue; /* waiting for XenStore's answers may have taken other events */
        }
        if (reason >= 0 && (tcp_finish() || now >= stop_by)) {
            log_line("stopping");
            stop((unsigned)reason);
        }
        if (!serving && now >= silent_until) serving = true, net_start(), log_line("serving on port 80");
        bool busy = netfront_poll(!serving) | disk_work();
        uint64_t due = serving ? net_timers(clock_now()) : silent_until;
        event_wait(busy ? 0 : due < stop_by ? due : stop_by);
    }
}

void main(uint32_t record, uint32_t magic) {
    static char name[64];
    boot(record, magic == MULTIBOOT_MAGIC);
    uint64_t booted = clock_now();
    xenstore_start();
    const char *text = xenstore_read("", "name");
    if (text) snprintf(name, sizeof name, "%s", text), options.name = name;
    xenstore_write("control", "feature-poweroff", "1");
    xenstore_write("control", "feature-reboot", "1");
    xenstore_watch("control", "shutdown");
    log_line("name: %s", options.name);
    misbehave(options.fail);
    if (!netfront_start()) {
        log_line("network: this domain has no vif; give it one, as vif = [ 'bridge=xenbr0' ]");
        stop(SHUTDOWN_poweroff);
    }
    blkfront_start();
    net.address = options.address, net.mask = options.mask, net.gateway = options.gateway;
    gather_entropy();
    if (net.address) log_line("address: %u.%u.%u.%u", DOTTED(net.address));
    else log_line("address: asking DHCP");
    loop(is(options.fail, "mute") ? NEVER : booted + options.start_delay * MS);
}
