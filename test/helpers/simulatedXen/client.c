/* The simulated host's way to the test that holds it: it says what is asked, over a socket, and does what it is told.
 * As `xl` it prints the answer and ends with its exit code. As `operation`, sshd's ForceCommand, it runs one remote command
 * in the host's network namespace, and tells before and after, so that a test can strike at exactly that moment.
 * Words go there as NUL-terminated strings, a lone newline last; back come frames: stream (1, 2, or 0 for the end), length
 * as four bytes in network order, data. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET "/run/simulated-xen/socket"
#define NAMESPACE "/run/simulated-xen/net"

static int call(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line < 0 || connect(line, (struct sockaddr *)&address, sizeof address) < 0) perror(SOCKET), exit(255);
    return line;
}

static void say(int line, const char *word) {
    for (size_t left = strlen(word) + 1; left;) {
        ssize_t sent = write(line, word, left);
        if (sent < 0) exit(255);
        word += sent;
        left -= (size_t)sent;
    }
}

static void read_whole(int line, void *data, size_t size) {
    for (uint8_t *at = data; size;) {
        ssize_t got = read(line, at, size);
        if (got <= 0) exit(255);
        at += got;
        size -= (size_t)got;
    }
}

/* Prints what comes until the end, and returns its code. */
static int hear(int line) {
    for (;;) {
        struct { uint8_t stream; uint32_t size; } __attribute__((packed)) head;
        char data[65536];
        read_whole(line, &head, sizeof head);
        size_t size = ntohl(head.size);
        if (head.stream == 0) return (int)size;
        for (size_t part; size; size -= part) {
            part = size < sizeof data ? size : sizeof data;
            read_whole(line, data, part);
            for (size_t done = 0; done < part;) {
                ssize_t written = write(head.stream, data + done, part - done);
                if (written < 0) exit(255);
                done += (size_t)written;
            }
        }
    }
}

static int xl(int count, char **words) {
    char directory[4096];
    int line = call();
    say(line, "xl");
    say(line, getcwd(directory, sizeof directory) ? directory : "/");
    for (int i = 1; i < count; i++) say(line, words[i]);
    say(line, "\n"); /* no word of a command line is this */
    return hear(line);
}

static int operation(void) {
    char pid[16];
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    int line = call();
    snprintf(pid, sizeof pid, "%d", getpid());
    say(line, "operation");
    say(line, pid);
    say(line, command ? command : "");
    say(line, "\n");
    hear(line);
    int namespace = open(NAMESPACE, O_RDONLY | O_CLOEXEC), status = 0;
    if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0) return perror(NAMESPACE), 255;
    pid_t child = fork();
    if (child == 0) {
        unsetenv("SSH_ORIGINAL_COMMAND");
        execl("/bin/sh", "sh", "-c", command ? command : "exec /bin/sh", NULL);
        _exit(127);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    say(line, "done");
    hear(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words) {
    const char *name = strrchr(words[0], '/');
    return strcmp(name ? name + 1 : words[0], "xl") == 0 ? xl(count, words) : operation();
}
