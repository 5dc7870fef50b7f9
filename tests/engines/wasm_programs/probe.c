/* Does the one thing that its first argument names; the tests of the wasm engine run it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int print_environment(void) {
    for (char **variable = environ; *variable; variable++) puts(*variable);
    return 0;
}

static int print_much(long size_bytes) {
    static char block[4096];
    memset(block, 'x', sizeof block);
    while (size_bytes > 0) {
        size_t part = size_bytes < (long)sizeof block ? (size_t)size_bytes : sizeof block;
        if (fwrite(block, 1, part, stdout) != part) return 1;
        size_bytes -= (long)part;
    }
    return 0;
}

static int copy_out(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;) fwrite(block, 1, got, stdout);
    return ferror(file) ? 1 : 0;
}

static int write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    if (!file) return perror(path), 1;
    int failed = fputs(text, file) < 0;
    return fclose(file) || failed;
}

static int list(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) return perror(path), 1;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.') puts(entry->d_name);
    return closedir(directory);
}

static int allocate(long size_bytes) {
    char *memory = malloc((size_t)size_bytes);
    if (!memory) abort();
    memset(memory, 1, (size_t)size_bytes);
    /* Read back, so that the compiler cannot leave it all out. */
    long sum = 0;
    for (long i = 0; i < size_bytes; i += 4096) sum += ((volatile char *)memory)[i];
    return sum == (size_bytes + 4095) / 4096 ? 0 : 1;
}

static int refused(long size_bytes) {
    /* volatile, or the compiler leaves out memory that nobody uses. */
    void *volatile memory = malloc((size_t)size_bytes);
    return memory == NULL;
}

static int recurse(volatile int depth) {
    return depth < 0 ? 0 : recurse(depth + 1) + depth;
}

static int attack(const char *input, const char *outside) {
    /* Prints the number of every attempt that worked: all of them must fail. */
    char path[512];
    snprintf(path, sizeof path, "%s/data.txt", input);
    if (truncate(path, 0) == 0) puts("1");
    if (unlink(path) == 0) puts("2");
    if (rename(path, "/outputs/stolen") == 0) puts("3");
    if (mkdir("/inputs/made", 0777) == 0) puts("4");
    snprintf(path, sizeof path, "%s/..%s", input, outside);
    if (fopen(path, "rb")) puts("5");
    snprintf(path, sizeof path, "/outputs/../../../../../../../..%s", outside);
    if (fopen(path, "rb")) puts("6");
    if (symlink(outside, "/outputs/link") == 0 && fopen("/outputs/link", "rb")) puts("7");
    if (symlink("..", "/outputs/up") == 0 && opendir("/outputs/up/")) puts("8");
    return 0;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    const char *first = count > 2 ? arguments[2] : "";
    const char *second = count > 3 ? arguments[3] : "";
    if (!strcmp(what, "exit")) exit(atoi(first));
    if (!strcmp(what, "return")) return 0;
    if (!strcmp(what, "print")) return fputs(first, stdout) < 0 || fputs(second, stderr) < 0;
    if (!strcmp(what, "much")) return print_much(atol(first));
    if (!strcmp(what, "environment")) return print_environment();
    if (!strcmp(what, "read")) return copy_out(first);
    if (!strcmp(what, "write")) return write_text(first, second);
    if (!strcmp(what, "list")) return list(first);
    if (!strcmp(what, "allocate")) return allocate(atol(first));
    if (!strcmp(what, "refused")) return refused(atol(first)) ? atoi(second) : 100;
    if (!strcmp(what, "recurse")) return recurse(0);
    if (!strcmp(what, "trap")) __builtin_trap();
    if (!strcmp(what, "stdin")) return getchar() == EOF ? 0 : 1;
    if (!strcmp(what, "attack")) return attack(first, second);
    if (!strcmp(what, "arguments")) {
        for (int i = 0; i < count; i++) printf("[%s]", arguments[i]);
        return 0;
    }
    if (!strcmp(what, "forever")) {
        puts("running");
        fflush(stdout);
        for (volatile long i = 0;; i++) continue;
    }
    fprintf(stderr, "probe: no such thing: %s\n", what);
    return 64;
}
