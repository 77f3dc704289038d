/* The network stack on a pipe, with a clock that the other side moves: for generated packets.
 *   stdin:  records of {u32 microseconds to pass, u32 size, the frame}; size 0: only time passes
 *   stdout: for each record the frames sent, {u32 size, the frame}, then a u32 0
 * Numbers are in host order. Sanitizers are on: a bad memory access ends the process. The frame is given to the
 * stack in an allocation of exactly its size, so that reading beyond it is one.
 */
#include "hello.h"
#include <stdarg.h>
#include <stdlib.h>

static uint64_t now = SECOND;

uint64_t clock_now(void) { return now; }

void log_line(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

void eth_send(const uint8_t *frame, size_t size) {
    uint32_t length = (uint32_t)size;
    if (size > FRAME_SIZE) abort();
    fwrite(&length, sizeof length, 1, stdout);
    fwrite(frame, 1, size, stdout);
}

int main(int count, char **words) {
    char line[1000] = "";
    for (int i = 1; i < count; i++) snprintf(line + strlen(line), sizeof line - strlen(line), "%s ", words[i]);
    const char *complaint = options_parse(line);
    if (complaint) return fprintf(stderr, "%s\n", complaint), 2;
    net = (struct net){.mac = {0, 0x16, 0x3e, 0, 0, 2}, .address = options.address, .mask = options.mask,
                       .gateway = options.gateway};
    net_start();
    for (struct { uint32_t micros, size; } record; fread(&record, sizeof record, 1, stdin) == 1;) {
        uint64_t until = now + record.micros * 1000ull;
        for (uint64_t due; (due = net_timers(now)) <= until;) now = due > now ? due : now + 1;
        now = until;
        uint8_t *frame = malloc(record.size);
        if (record.size && fread(frame, 1, record.size, stdin) != record.size) return 3;
        if (record.size) net_input(frame, record.size, false);
        free(frame);
        while (disk_work()) {}
        net_timers(now);
        fwrite(&(uint32_t){0}, 4, 1, stdout);
        fflush(stdout);
    }
    return 0;
}
