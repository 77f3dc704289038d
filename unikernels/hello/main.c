/* hello: from the first instruction in C to the event loop. Boot, tell each step on the console, serve until told to stop. */
#include "xen.h"
#include <xen/arch-x86/hvm/start_info.h>

struct multiboot_info { uint32_t flags, mem_lower, mem_upper, boot_device, cmdline; };

static char *arguments(uintptr_t record, bool multiboot) {
    const struct multiboot_info *info = (const void *)record;
    const struct hvm_start_info *start = (const void *)record;
    uint64_t text = !multiboot ? start->cmdline_paddr : info->flags & 4 ? info->cmdline : 0;
    return text ? (char *)text : "";
}

static void gather_entropy(void) {
    uint32_t a, b, features, d;
    __cpuid(1, a, b, features, d);
    if (features & bit_RDRND) __asm__ volatile("rdrand %0" : "=r"(net.secret[0]));
    net.secret[1] = __builtin_ia32_rdtsc();
}

static void misbehave(const char *how) {
    if (*how) log_line("fail: %s, as asked", how);
    if (is(how, "exit")) stop(SHUTDOWN_poweroff, "stopping");
    if (is(how, "crash")) *(volatile int *)(1ul << 40) = 0; /* not mapped */
    while (is(how, "hang")) __asm__ volatile("pause");
}

/* control/shutdown (docs/misc/xenstore-paths.pandoc): taken by writing it empty. Returns the reason, or -1. */
static int asked_to_stop(void) {
    const char *how = xenstore_read("control", "shutdown");
    int reason = !how ? -1 : is(how, "poweroff") ? SHUTDOWN_poweroff : is(how, "reboot") ? SHUTDOWN_reboot : -1;
    if (reason < 0) return reason;
    log_line("control/shutdown: %s", how);
    xenstore_write("control", "shutdown", "");
    return reason;
}

static void loop(uint64_t silent_until) {
    uint64_t stop_by = NEVER;
    int reason = -1;
    for (bool serving = false;;) {
        uint64_t now = clock_now();
        if (xenstore_changed()) {
            if (reason < 0 && (reason = asked_to_stop()) >= 0) stop_by = now + SECOND;
            continue; /* waiting for XenStore's answers may have taken other events */
        }
        if (reason >= 0 && (tcp_finish() || now >= stop_by)) stop((unsigned)reason, "stopping");
        if (!serving && now >= silent_until) serving = true, net_start(), log_line("serving on port 80");
        bool busy = netfront_poll(!serving) | disk_work();
        uint64_t due = serving ? net_timers(clock_now()) : silent_until;
        event_wait(busy ? 0 : due < stop_by ? due : stop_by);
    }
}

void main(uint32_t record, uint32_t magic) {
    static char name[64];
    bool multiboot = magic == 0x2BADB002;
    char *line = arguments(record, multiboot);
    xen_start();
    console_start();
    log_line("hello " VERSION " (build " BUILD_ID ")");
    log_line("boot: %s", multiboot ? "multiboot (HVM)" : "PVH");
    log_line("arguments: %s", line);
    const char *complaint = options_parse(line);
    if (complaint) stop(SHUTDOWN_poweroff, complaint); /* as a MirageOS unikernel does */
    uint64_t silent_until = is(options.fail, "mute") ? NEVER : clock_now() + options.start_delay * MS;

    xenstore_start();
    snprintf(name, sizeof name, "%s", xenstore_read("", "name"));
    options.name = name;
    log_line("name: %s", name);
    misbehave(options.fail);
    netfront_start();
    blkfront_start();
    gather_entropy();
    xenstore_watch("control", "shutdown"); /* fires at once, for what came before */
    net.address = options.address, net.mask = options.mask, net.gateway = options.gateway;
    if (net.address) log_line("address: %u.%u.%u.%u", DOTTED(net.address));
    else log_line("address: asking DHCP");
    loop(silent_until);
}
