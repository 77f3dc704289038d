/* The command line, and what the unikernel is. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *name;                /* of the domain */
    const char *version_text;        /* --version-text=TEXT, shorter than 64 */
    uint32_t address, mask, gateway; /* --ipv4=A/N, --ipv4-gateway=G; none: DHCP */
    const char *fail;                /* --fail=exit|crash|hang|mute, for tests; "": not at all */
    uint64_t start_delay;            /* --start-delay=MS: silent on the network for so long */
};
extern struct options options;

/* Reads the words of `line`, which are changed and kept; returns NULL, or a sentence that says what is wrong. */
const char *options_parse(char *line);

/* Moves *text past digits of `base`; false: there are none, or their value is above `limit`. */
bool number(const char **text, unsigned base, uint64_t limit, uint64_t *value);
