/* Arguments as MirageOS writes them: `--key=value` or `--key value`, words may be quoted with ' or ", and \ takes the
 * next character as it is. Words before the first option (the file name that a boot loader puts there) are passed over. */
#include "options.h"
#include <stdio.h>
#include <string.h>

struct options options = {.name = NAME, .version_text = VERSION};

/* Cuts the next word off the line, its quotes removed; NULL at the end. */
static char *next_word(char **line) {
    char *at = *line, quote = 0;
    while (*at == ' ' || *at == '\t') at++;
    if (*at == 0) return NULL;
    char *word = at, *out = at;
    for (; *at && (quote || (*at != ' ' && *at != '\t')); at++) {
        if (*at == '\\' && at[1]) *out++ = *++at;
        else if (quote ? *at == quote : *at == '\'' || *at == '"') quote = quote ? 0 : *at;
        else *out++ = *at;
    }
    *line = *at ? at + 1 : at;
    *out = 0;
    return word;
}

/* A decimal number of at most `limit`, followed by `end`; moves past both. */
static bool number(const char **at, uint64_t limit, char end, uint64_t *value) {
    const char *digit = *at;
    for (*value = 0; *digit >= '0' && *digit <= '9' && *value <= limit; digit++) *value = *value * 10 + (uint64_t)(*digit - '0');
    if (digit == *at || *value > limit || *digit != end) return false;
    *at = digit + (end != 0);
    return true;
}

static bool ipv4(const char *text, bool with_prefix, uint32_t *address, uint32_t *mask) {
    *address = 0;
    uint64_t part;
    for (int i = 0; i < 4; i++) {
        if (!number(&text, 255, i < 3 ? '.' : with_prefix ? '/' : 0, &part)) return false;
        *address = *address << 8 | (uint32_t)part;
    }
    if (with_prefix && !number(&text, 32, 0, &part)) return false;
    if (with_prefix) *mask = part ? ~0u << (32 - part) : 0;
    return *address != 0 && *address >> 28 < 14; /* neither 0.0.0.0 nor a group */
}

static bool fail(const char *how) {
    static const char *const names[] = {"", "exit", "crash", "hang", "mute"};
    for (unsigned i = FAIL_EXIT; i <= FAIL_MUTE; i++)
        if (strcmp(how, names[i]) == 0) return options.fail = i, true;
    return false;
}

static bool take(const char *key, const char *value) {
    uint32_t unused;
    if (strcmp(key, "--ipv4") == 0) return ipv4(value, true, &options.address, &options.mask);
    if (strcmp(key, "--ipv4-gateway") == 0) return ipv4(value, false, &options.gateway, &unused);
    if (strcmp(key, "--fail") == 0) return fail(value);
    if (strcmp(key, "--start-delay") == 0) {
        bool good = number(&value, 86400000, 0, &options.start_delay);
        options.start_delay *= 1000000;
        return good;
    }
    if (strcmp(key, "--version-text") != 0 || strlen(value) >= sizeof options.version_text) return false;
    memcpy(options.version_text, value, strlen(value) + 1);
    return true;
}

const char *options_parse(char *line) {
    static char complaint[200];
    bool begun = false;
    for (char *word; (word = next_word(&line));) {
        begun = begun || strncmp(word, "--", 2) == 0;
        if (!begun) continue;
        char *value = strchr(word, '=');
        if (value) *value++ = 0;
        else value = next_word(&line);
        if (value && take(word, value)) continue;
        snprintf(complaint, sizeof complaint, "argument %s %s is not understood; known are --ipv4=A/N --ipv4-gateway=G "
                 "--version-text=TEXT --fail=exit|crash|hang|mute --start-delay=MS", word, value ? value : "(no value)");
        return complaint;
    }
    return NULL;
}
