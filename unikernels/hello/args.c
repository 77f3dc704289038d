/* Arguments as MirageOS writes them: `--key=value`; words may be quoted with ' or ", and \ takes the next character as it
 * is. Other words, as the file name that a boot loader puts there, are passed over. */
#include "hello.h"

struct options options = {.name = NAME, .version_text = VERSION, .fail = ""};

bool is(const char *text, const char *word) {
    while (*text && *text == *word) text++, word++;
    return *text == *word;
}

char *cut(char *text, char byte) {
    while (text && *text && *text != byte) text++;
    if (!text || !*text) return NULL;
    *text = 0;
    return text + 1;
}

bool number(const char **text, uint64_t limit, uint64_t *value) {
    const char *start = *text;
    for (*value = 0; **text >= '0' && **text <= '9' && *value <= limit; ++*text)
        *value = *value * 10 + (uint64_t)(**text - '0');
    return *text > start && *value <= limit;
}

/* Cuts the next word off the line, its quotes removed; NULL at the end. */
static char *next_word(char **line) {
    char *at = *line, quote = 0;
    while (*at == ' ') at++;
    if (*at == 0) return NULL;
    char *word = at, *out = at;
    for (; *at && (quote || *at != ' '); at++) {
        if (*at == '\\' && at[1]) *out++ = *++at;
        else if (quote ? *at == quote : *at == '\'' || *at == '"') quote = quote ? 0 : *at;
        else *out++ = *at;
    }
    *line = *at ? at + 1 : at;
    *out = 0;
    return word;
}

/* An address, with its prefix if there is a mask to be made of it. */
static bool ipv4(const char *text, uint32_t *address, uint32_t *mask) {
    uint64_t part;
    for (int i = 0; i < 4; i++) {
        if ((i && *text++ != '.') || !number(&text, 255, &part)) return false;
        *address = *address << 8 | (uint32_t)part;
    }
    if (mask) {
        if (*text++ != '/' || !number(&text, 32, &part)) return false;
        *mask = part ? ~0u << (32 - part) : 0;
    }
    return *text == 0 && *address != 0;
}

static bool take(const char *key, const char *value) {
    if (is(key, "--ipv4")) return ipv4(value, &options.address, &options.mask);
    if (is(key, "--ipv4-gateway")) return ipv4(value, &options.gateway, NULL);
    if (is(key, "--start-delay")) return number(&value, 86400000, &options.start_delay) && *value == 0;
    if (is(key, "--version-text")) return options.version_text = value, strlen(value) < 64;
    if (!is(key, "--fail")) return false;
    options.fail = value;
    return is(value, "exit") || is(value, "crash") || is(value, "hang") || is(value, "mute");
}

const char *options_parse(char *line) {
    static char complaint[300];
    for (char *word; (word = next_word(&line));) {
        if (*word != '-') continue;
        char *value = cut(word, '=');
        if (value && take(word, value)) continue;
        snprintf(complaint, sizeof complaint, "argument %s %s is not understood; known are --ipv4=A/N --ipv4-gateway=G "
                 "--version-text=TEXT --fail=exit|crash|hang|mute --start-delay=MS", word, value ? value : "(no value)");
        return complaint;
    }
    return NULL;
}
