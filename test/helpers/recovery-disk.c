/* A disk that can die: loaded into a process before all else, it counts what is written below one directory, keeps beside it
 * what a loss of power would leave, kills the process at a chosen write, and makes writes or syncs fail. By environment:
 *   SOCP_DISK_DIR     the directory that is watched
 *   SOCP_DISK_TRACE   file that gets one line an operation: number, what, file
 *   SOCP_DISK_SYNCED  directory that holds each file as it was when it was last synced
 *   SOCP_DISK_KILL    "sync N" or "write N": SIGKILL right after that operation
 *   SOCP_DISK_FAIL    "sync N ERRNO" or "write N ERRNO": that one and all later ones of the kind fail
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { WRITE, SYNC };
static const char *const names[] = {"write", "sync"};
static atomic_int counts[2];

static ssize_t (*real_pwrite64)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static void find_real(void) {
  if (real_fdatasync) return;
  real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

/* The name of an open file below the directory, "" for the directory itself, NULL when it lies elsewhere. */
static const char *watched(int fd, char *path, size_t size) {
  const char *dir = getenv("SOCP_DISK_DIR");
  if (!dir) return NULL;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length <= 0) return NULL;
  path[length] = 0;
  size_t prefix = strlen(dir);
  if (strncmp(path, dir, prefix) != 0) return NULL;
  if (path[prefix] == 0) return path + prefix;
  if (path[prefix] != '/') return NULL;
  const char *name = path + prefix + 1;
  /* the writer's lock and the index of the WAL are worth nothing once the process is gone */
  return strstr(name, ".writer") || strstr(name, "-shm") ? NULL : name;
}

static int matches(const char *variable, enum kind kind, int number, int *value) {
  const char *text = getenv(variable);
  char what[16];
  int at = 0;
  *value = 0;
  return text && sscanf(text, "%15s %d %d", what, &at, value) >= 2 && strcmp(what, names[kind]) == 0 && number >= at;
}

/* Through the descriptor that is being synced: opening and closing the file once more would drop SQLite's locks on it. */
static void keep_synced(int fd, const char *name) {
  const char *synced = getenv("SOCP_DISK_SYNCED");
  if (!synced) return;
  char target[4096], fresh[4112];
  if (*name == 0) {
    /* the directory: what was removed from it is gone for good */
    DIR *kept = opendir(synced);
    for (struct dirent *entry; kept && (entry = readdir(kept));) {
      snprintf(target, sizeof target, "%s/%s", getenv("SOCP_DISK_DIR"), entry->d_name);
      if (entry->d_name[0] != '.' && access(target, F_OK) != 0) {
        snprintf(target, sizeof target, "%s/%s", synced, entry->d_name);
        unlink(target);
      }
    }
    if (kept) closedir(kept);
    return;
  }
  snprintf(target, sizeof target, "%s/%s", synced, name);
  snprintf(fresh, sizeof fresh, "%s.fresh", target);
  int out = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  /* neither on a thread's stack nor in its static storage: Node's threads are given little of both */
  size_t size = 65536;
  char *buffer = malloc(size);
  off_t at = 0;
  for (ssize_t got; (got = pread(fd, buffer, size, at)) > 0; at += got)
    if (real_pwrite64(out, buffer, (size_t)got, at) != got) abort();
  free(buffer);
  close(out);
  rename(fresh, target);
}

/* Counts the operation; answers the error with which it has to fail, or 0. */
static int begin(enum kind kind, const char *name, int *number) {
  *number = atomic_fetch_add(&counts[kind], 1) + 1;
  const char *trace = getenv("SOCP_DISK_TRACE");
  if (trace) {
    char line[512];
    int length = snprintf(line, sizeof line, "%d %s %s\n", *number, names[kind], *name ? name : ".");
    int out = open(trace, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (write(out, line, (size_t)length) != length) abort();
    close(out);
  }
  int error;
  return matches("SOCP_DISK_FAIL", kind, *number, &error) ? error : 0;
}

static void end(enum kind kind, int number) {
  int unused;
  if (!matches("SOCP_DISK_KILL", kind, number, &unused)) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
  find_real();
  char path[4096];
  const char *name = watched(fd, path, sizeof path);
  if (!name) return real_pwrite64(fd, data, size, at);
  int number, error = begin(WRITE, name, &number);
  if (error) {
    errno = error;
    return -1;
  }
  ssize_t result = real_pwrite64(fd, data, size, at);
  end(WRITE, number);
  return result;
}

static int sync_with(int (*real)(int), int fd) {
  char path[4096];
  const char *name = watched(fd, path, sizeof path);
  if (!name) return real(fd);
  int number, error = begin(SYNC, name, &number);
  if (error) {
    errno = error;
    return -1;
  }
  int result = real(fd);
  if (result == 0) keep_synced(fd, name);
  end(SYNC, number);
  return result;
}

int fsync(int fd) {
  find_real();
  return sync_with(real_fsync, fd);
}

int fdatasync(int fd) {
  find_real();
  return sync_with(real_fdatasync, fd);
}
