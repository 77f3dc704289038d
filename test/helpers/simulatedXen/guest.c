/* A guest of the simulated Xen: the network stack of hello as a Linux process, on tap devices in the host's network
 * namespace. `guest NAMESPACE NAME KERNEL ARGS`, with the console's log as its standard error. Commands come on standard
 * input, one a line, each answered by `ok` or `error TEXT`; what happens by itself is told as `event TEXT`:
 *     vif DEVICE BRIDGE MAC     unvif DEVICE     disk PATH     run     shutdown poweroff|reboot
 * It ends when its input ends, and with the process that started it. */
#define _GNU_SOURCE
#include "hello.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char guest_kernel[80]; /* BUILD_ID: what `/` shows as the build */

enum { PORTS = 8 };
static struct { char device[IFNAMSIZ]; int tap; } ports[PORTS];
static int control = -1, disk_file = -1;
static uint64_t size_of_disk;
static int stopping = -1; /* the reason, once it was asked for */
static uint64_t stop_by = NEVER, silent_until = NEVER;
static enum { WAITING, DEAF, SERVING, ENDED } state = WAITING;

uint64_t clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

void log_line(const char *format, ...) {
    char line[1200];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line - 2, format, values);
    va_end(values);
    if (size > (int)sizeof line - 3) size = sizeof line - 3;
    memcpy(line + size, "\r\n", 2);
    if (write(2, line, (size_t)size + 2) < 0) return; /* a log that cannot be written stops no domain */
}

void eth_send(const uint8_t *frame, size_t size) {
    if (ports[0].device[0] && write(ports[0].tap, frame, size) < 0) return; /* dropped, as Ethernet may */
}

static uint8_t chunk[DISK_CHUNK];
static bool unread;
uint64_t disk_size(void) { return size_of_disk; }
void disk_read(uint64_t offset, size_t size) { unread = pread(disk_file, chunk, size, (off_t)offset) != (ssize_t)size; }
const uint8_t *disk_done(bool *failed) { return *failed |= unread, chunk; }

static void tell(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vdprintf(1, format, values);
    va_end(values);
}

/* The back end's side of a port as Xen's vif-bridge script leaves it: its hardware address is the highest there is. */
static const char *vif(const char *device, const char *bridge, const char *mac) {
    int at = 0;
    while (at < PORTS && ports[at].device[0]) at++;
    if (at == PORTS) return "no port is free";
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) return close(tap), strerror(errno);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, "\xfe\xff\xff\xff\xff\xff", 6);
    if (ioctl(control, SIOCSIFHWADDR, &request) < 0) return close(tap), strerror(errno);
    ioctl(control, SIOCGIFINDEX, &request);
    int index = request.ifr_ifindex;
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", bridge);
    request.ifr_ifindex = index;
    if (ioctl(control, SIOCBRADDIF, &request) < 0) return close(tap), "no such bridge";
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    request.ifr_flags = IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0) return close(tap), strerror(errno);
    snprintf(ports[at].device, sizeof ports[at].device, "%s", device);
    ports[at].tap = tap;
    if (at == 0) sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &net.mac[0], &net.mac[1], &net.mac[2], &net.mac[3], &net.mac[4], &net.mac[5]);
    return NULL;
}

static const char *unvif(const char *device) {
    for (int i = 0; i < PORTS; i++) {
        if (strcmp(ports[i].device, device) != 0) continue;
        close(ports[i].tap);
        ports[i].device[0] = 0;
        return NULL;
    }
    return "no such port";
}

static const char *disk(const char *path) {
    struct stat about;
    disk_file = open(path, O_RDONLY | O_CLOEXEC);
    if (disk_file < 0 || fstat(disk_file, &about) < 0) return strerror(errno);
    size_of_disk = (uint64_t)about.st_size;
    return NULL;
}

static void end(const char *how) {
    state = ENDED;
    tell("event %s\n", how);
}

static bool fails(const char *how) { return strcmp(options.fail, how) == 0; }

/* From the first line on the console to the loop, in hello's words (main.c). */
static const char *run(char *arguments) {
    log_line("hello " VERSION " (build %s)", guest_kernel);
    log_line("boot: PVH, Xen 4.17");
    log_line("arguments: %s", arguments);
    const char *complaint = options_parse(arguments);
    if (complaint) return log_line("%s", complaint), end("poweroff"), NULL;
    log_line("name: %s", options.name);
    if (*options.fail) log_line("fail: %s, as asked", options.fail);
    if (fails("exit")) return end("poweroff"), NULL;
    if (fails("crash")) return log_line("fault 14 (page fault)"), end("crash"), NULL;
    state = DEAF;
    if (fails("hang")) return NULL;
    if (!ports[0].device[0]) return log_line("network: this domain has no vif"), end("poweroff"), NULL;
    if (size_of_disk) log_line("disk: %lu bytes", size_of_disk);
    net.address = options.address, net.mask = options.mask, net.gateway = options.gateway;
    if (net.address) log_line("address: %u.%u.%u.%u", DOTTED(net.address));
    else log_line("address: asking DHCP");
    silent_until = fails("mute") ? NEVER : clock_now() + options.start_delay * MS;
    return NULL;
}

static const char *asked_to_stop(const char *how) {
    if (state == ENDED || fails("hang")) return NULL;
    log_line("control/shutdown: %s", how);
    stopping = strcmp(how, "reboot") == 0;
    stop_by = clock_now() + SECOND;
    return NULL;
}

static void obey(char *line, char *arguments) {
    char *verb = strsep(&line, " "), *one = strsep(&line, " "), *two = strsep(&line, " "), *three = strsep(&line, " ");
    const char *trouble = strcmp(verb, "vif") == 0        ? vif(one, two, three)
                          : strcmp(verb, "unvif") == 0    ? unvif(one)
                          : strcmp(verb, "disk") == 0     ? disk(one)
                          : strcmp(verb, "run") == 0      ? run(arguments)
                          : strcmp(verb, "shutdown") == 0 ? asked_to_stop(one)
                                                          : "no such command";
    if (trouble) tell("error %s\n", trouble);
    else tell("ok\n");
}

static void listen_to_hypervisor(char *arguments) {
    static char text[4096];
    static size_t size;
    ssize_t more = read(0, text + size, sizeof text - 1 - size);
    if (more <= 0) exit(0);
    size += (size_t)more;
    text[size] = 0;
    for (char *newline; (newline = strchr(text, '\n'));) {
        *newline = 0;
        obey(text, arguments);
        size -= (size_t)(newline + 1 - text);
        memmove(text, newline + 1, size + 1);
    }
}

int main(int count, char **words) {
    if (count != 5) return fprintf(stderr, "guest NAMESPACE NAME KERNEL ARGS\n"), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int namespace = open(words[1], O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0) return perror(words[1]), 1;
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    options.name = words[2];
    snprintf(guest_kernel, sizeof guest_kernel, "%s", words[3]);
    if (getrandom(net.secret, sizeof net.secret, 0) < 0) return perror("getrandom"), 1;
    tell("ok\n");
    for (;;) {
        uint64_t now = clock_now();
        if (state == DEAF && now >= silent_until) state = SERVING, net_start(), log_line("serving on port 80");
        bool serving = state == SERVING, busy = serving && disk_work();
        if (stopping >= 0 && state != ENDED && (tcp_finish() || now >= stop_by)) {
            log_line("stopping");
            end(stopping ? "reboot" : "poweroff");
            serving = false;
        }
        uint64_t due = serving ? net_timers(clock_now()) : silent_until;
        if (due > stop_by) due = stop_by;
        if (state == ENDED) due = NEVER;
        bool port = ports[0].device[0] && state != ENDED;
        struct pollfd events[] = {{.fd = 0, .events = POLLIN}, {.fd = ports[0].tap, .events = POLLIN}};
        int wait = busy ? 0 : due == NEVER ? -1 : due > now ? (int)((due - now) / MS) + 1 : 0;
        if (poll(events, port ? 2 : 1, wait) <= 0) continue;
        if (port && events[1].revents) {
            uint8_t frame[FRAME_SIZE];
            ssize_t size = read(ports[0].tap, frame, sizeof frame);
            if (serving && size > 0) net_input(frame, (size_t)size, false);
        }
        if (events[0].revents) listen_to_hypervisor(words[4]);
    }
}
