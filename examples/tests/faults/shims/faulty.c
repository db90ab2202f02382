/* A disk that errs: runs a program, and lets system calls on files below a folder fail.

   faulty RULES FOLDER PROGRAM WORD...

   RULES is a file that is read again at each call. Each line is a rule, `KIND FAULT EVERY`: every so-many-th call of
   this kind has the fault. Kinds are read, write, sync, of which data is a part, and size; faults are EIO, ENOSPC, EINTR, and SHORT, with which
   a write takes half of the first buffer. Nothing fails with an empty file.

   The kernel asks this program for leave before each call (seccomp, user notifications). A library that is loaded
   before the C library would not do: the calls do not go through it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { READ, WRITE, SYNC, SIZE };

static const char *const kinds[] = { "read", "write", "sync", "size" };

static const struct call {
    unsigned number;
    enum kind kind;
} calls[] = {
    { __NR_read, READ }, { __NR_pread64, READ }, { __NR_preadv, READ },
    { __NR_write, WRITE }, { __NR_pwrite64, WRITE }, { __NR_pwritev, WRITE },
    { __NR_fsync, SYNC }, { __NR_fdatasync, SYNC }, { __NR_syncfs, SYNC },
    { __NR_ftruncate, SIZE }, { __NR_fallocate, SIZE },
};

#define CALLS (sizeof calls / sizeof *calls)

static void die(const char *what) {
    perror(what);
    _exit(126);
}

/* Has the kernel ask before the calls. Wake-ups of threads are 8 bytes, and pass. */
static int listen_to_calls(void) {
    struct sock_filter code[2 * CALLS + 8];
    int at = 0;
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, 1);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t call = 0; call < CALLS; call++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call].number, 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { at, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) die("seccomp");
    return listener;
}

static void send_descriptor(int socket, int descriptor) {
    char byte = 0, space[CMSG_SPACE(sizeof descriptor)] = { 0 };
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){ CMSG_LEN(sizeof descriptor), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int receive_descriptor(int socket) {
    int descriptor;
    char byte, space[CMSG_SPACE(sizeof descriptor)];
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
    if (recvmsg(socket, &message, 0) != 1) _exit(0);
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static int is_below(const char *folder, int process, int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", process, descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* The fault of a call; empty if it has none. */
static const char *fault_of(const char *rules, enum kind kind, int number) {
    static unsigned long counts[4];
    static char fault[16];
    char name[16];
    unsigned long every;
    FILE *file = fopen(rules, "r");
    if (!file) return "";
    counts[kind]++;
    int is_hit = 0;
    while (!is_hit && fscanf(file, "%15s %15s %lu", name, fault, &every) == 3)
        is_hit = (!strcmp(name, kinds[kind]) || (number == __NR_fdatasync && !strcmp(name, "data"))) && every && counts[kind] % every == 0;
    fclose(file);
    return is_hit ? fault : "";
}

/* Writes half of the first buffer in the place of the program. Negative if it cannot. */
static long write_half(const struct seccomp_notif *asked) {
    const __u64 *args = asked->data.args;
    struct iovec from = { (void *)args[1], args[2] };
    int is_vector = asked->data.nr == __NR_pwritev;
    if (is_vector) {
        struct iovec here = { &from, sizeof from }, there = { (void *)args[1], sizeof from };
        if (process_vm_readv(asked->pid, &here, 1, &there, 1, 0) != sizeof from) return -1;
    }
    char *half = malloc(from.iov_len / 2 + 1);
    from.iov_len = from.iov_len / 2 + 1 < from.iov_len ? from.iov_len / 2 + 1 : from.iov_len;
    struct iovec here = { half, from.iov_len };
    long written = -1;
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", asked->pid, (int)args[0]);
    int file = open(link, O_WRONLY);
    if (file >= 0 && process_vm_readv(asked->pid, &here, 1, &from, 1, 0) == (ssize_t)from.iov_len)
        written = pwrite(file, half, from.iov_len, args[3]);
    if (file >= 0) close(file);
    free(half);
    return written;
}

static void answer(int listener, const char *rules, const char *folder) {
    struct seccomp_notif asked = { 0 };
    /* The thread may have ended meanwhile. */
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) return;
    struct seccomp_notif_resp reply = { .id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    size_t call = 0;
    while (call < CALLS && calls[call].number != (unsigned)asked.data.nr) call++;
    if (call < CALLS && is_below(folder, asked.pid, asked.data.args[0])) {
        const char *fault = fault_of(rules, calls[call].kind, asked.data.nr);
        int error = !strcmp(fault, "EIO") ? EIO : !strcmp(fault, "ENOSPC") ? ENOSPC : !strcmp(fault, "EINTR") ? EINTR : 0;
        int has_offset = asked.data.nr == __NR_pwritev || asked.data.nr == __NR_pwrite64;
        long written = !strcmp(fault, "SHORT") && has_offset ? write_half(&asked) : -1;
        if (error || written >= 0)
            reply = (struct seccomp_notif_resp){ .id = asked.id, .error = -error, .val = error ? 0 : written };
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

int main(int count, char **words) {
    int pair[2];
    if (count < 4) return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) die("socketpair");
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child) {
        /* The program keeps the id that whoever started it knows. */
        prctl(PR_SET_PTRACER, child, 0, 0, 0);
        int listener = listen_to_calls();
        send_descriptor(pair[0], listener);
        close(listener);
        execv(words[3], words + 3);
        die(words[3]);
    }
    close(pair[0]);
    close(0);
    close(1);
    setsid();
    int listener = receive_descriptor(pair[1]);
    for (;;) {
        struct pollfd ready = { listener, POLLIN, 0 };
        if (poll(&ready, 1, -1) < 0 && errno != EINTR) return 1;
        /* All of its threads have ended. */
        if (ready.revents & POLLHUP) return 0;
        if (ready.revents & POLLIN) answer(listener, words[1], words[2]);
    }
}
