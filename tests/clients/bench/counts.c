/* Preloaded into a client: writes to the file that COLUMBA_COUNTS names, when the process ends, the
 * microseconds that it lived, the microseconds of processor time that it took and, compiled with
 * -DALLOCATIONS, how often it allocated memory or made it larger.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static atomic_ulong allocations;
static long long started_us;

#ifdef ALLOCATIONS
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void count(void) { atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed); }

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count();
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    count();
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
#endif

static long long micros(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

static long long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

__attribute__((constructor)) static void begin(void) { started_us = now_us(); }

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("COLUMBA_COUNTS");
    unsigned long counted = atomic_load(&allocations);
    struct rusage use;
    if (!path || getrusage(RUSAGE_SELF, &use)) return;
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "%lld %lld %lu\n", now_us() - started_us,
            micros(use.ru_utime) + micros(use.ru_stime), counted);
    fclose(file);
}
