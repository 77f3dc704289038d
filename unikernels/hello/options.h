/* The command line, and what the process is. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct options {
    char name[64];         /* of the domain */
    char version_text[64]; /* --version-text=TEXT */
    uint32_t address, mask, gateway; /* --ipv4=A/N, --ipv4-gateway=G; none: DHCP */
    enum { FAIL_NOT, FAIL_EXIT, FAIL_CRASH, FAIL_HANG, FAIL_MUTE } fail; /* --fail=exit|crash|hang|mute, for tests */
    uint64_t start_delay;  /* --start-delay=MS, in nanoseconds: silent on the network for so long */
};
extern struct options options;

/* Reads the words of `line` (changed in place); returns NULL, or a sentence that says what is wrong. */
const char *options_parse(char *line);
