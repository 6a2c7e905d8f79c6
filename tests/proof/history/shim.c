/* What a process under LD_PRELOAD is told of its clock and its disk: as HISTORY_SHIM's file says, which others change. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct told {
    int64_t ahead_ns;   /* how far the clock of the day is ahead */
    int64_t sync_errno; /* what fsync and fdatasync fail with */
    int64_t full;       /* whether there is no room for audit records */
};

static volatile struct told *told;

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("HISTORY_SHIM");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(struct told), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    told = page == MAP_FAILED ? NULL : page;
}

#define NEXT(name) static typeof(name) *next; if (!next) next = (typeof(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(clock_gettime);
    int failed = next(clock, now);
    if (!failed && told && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + told->ahead_ns;
        now->tv_sec = ns / INT64_C(1000000000);
        now->tv_nsec = ns % INT64_C(1000000000);
    }
    return failed;
}

time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept)
        *kept = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict kept, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    kept->tv_sec = now.tv_sec;
    kept->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int fsync(int fd) {
    NEXT(fsync);
    int failed = next(fd);
    if (!told || !told->sync_errno)
        return failed;
    errno = (int)told->sync_errno;
    return -1;
}

int fdatasync(int fd) {
    NEXT(fdatasync);
    int failed = next(fd);
    if (!told || !told->sync_errno)
        return failed;
    errno = (int)told->sync_errno;
    return -1;
}

static int of_audit(int fd) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/audit/") != NULL;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    NEXT(write);
    if (!told || !told->full || count < 2 || !of_audit(fd))
        return next(fd, bytes, count);
    static int turn;
    if (turn++ % 2) /* a disk takes what it has room for, and then nothing */
        return next(fd, bytes, count / 2);
    errno = ENOSPC;
    return -1;
}
