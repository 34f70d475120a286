/*
 * The hypercalls of layer 3 for kernels in C: names and meaning of rumpuser(3), version 17.
 *
 * What a kernel in C sees of what it stands on. The archive that defines these functions is the crate rumpuser-c, on any
 * back end of the Rust interface: on bare machines and in a process alike. The reference is docs/rumpuser.md.
 *
 * Functions that return int return 0 or one of the RUMPUSER_E... numbers, which are NetBSD's. Those that may block first
 * call hyp_backend_unschedule, and hyp_backend_schedule before they return; the ones called _nowrap do not.
 *
 * Not here: rumpuser_dl_*, rumpuser_daemonize_* and rumpuser_sp_*, which are of a process. The functions rumpuser_link_* and
 * rumpuser_wait_stop are additions.
 */
#ifndef RUMPUSER_H
#define RUMPUSER_H

#include <stddef.h>
#include <stdint.h>

#define RUMPUSER_VERSION 17

/* ---- errors ---- */

#define RUMPUSER_ENOENT 2
#define RUMPUSER_ESRCH 3
#define RUMPUSER_EIO 5
#define RUMPUSER_ENXIO 6
#define RUMPUSER_EBADF 9
#define RUMPUSER_ENOMEM 12
#define RUMPUSER_EBUSY 16
#define RUMPUSER_EINVAL 22
#define RUMPUSER_EMFILE 24
#define RUMPUSER_EROFS 30
#define RUMPUSER_ERANGE 34
#define RUMPUSER_EAGAIN 35
#define RUMPUSER_EMSGSIZE 40
#define RUMPUSER_ETIMEDOUT 60
#define RUMPUSER_ENOTSUP 86

/* ---- initialisation, and what the back end calls in the kernel ---- */

/* The kernel's own; the back end only keeps pointers to it. */
struct lwp;

/* A null pointer is a call that the kernel does not want. */
struct rumpuser_hyperup {
	/* Takes and gives back the right to run in the kernel; for threads of the back end (biodone). */
	void (*hyp_schedule)(void);
	void (*hyp_unschedule)(void);
	/* The same around a hypercall that blocks; the number goes from one to the other, and interlock is the mutex or null. */
	void (*hyp_backend_unschedule)(int nlocks, int *countp, void *interlock);
	void (*hyp_backend_schedule)(int nlocks, void *interlock);
	/* Not called by this back end. */
	void (*hyp_lwproc_switch)(struct lwp *);
	void (*hyp_lwproc_release)(void);
	int (*hyp_lwproc_rfork)(void *, int, const char *);
	int (*hyp_lwproc_newlwp)(int32_t);
	struct lwp *(*hyp_lwproc_curlwp)(void);
	int (*hyp_syscall)(int, void *, long *);
	void (*hyp_lwpexit)(void);
	void (*hyp_execnotify)(const char *);
	int32_t (*hyp_getpid)(void);
	void *hyp__extra[8];
};

/* To be called first. EINVAL for another version than RUMPUSER_VERSION. */
int rumpuser_init(int version, const struct rumpuser_hyperup *);

/* ---- memory ---- */

/* alignment: a power of two, or 0. EINVAL, ENOMEM. The memory is not cleared. */
int rumpuser_malloc(size_t size, int alignment, void **memory);
void rumpuser_free(void *memory, size_t size);
/*
 * Pages of zeroes; size is a multiple of 4096, alignbit at most 12, and the preferred address is not looked at. EINVAL, ENOMEM;
 * ENOTSUP for executable ones. They are given back as a whole.
 */
int rumpuser_anonmmap(void *preferred, size_t size, int alignbit, int executable, void **memory);
void rumpuser_unmap(void *memory, size_t size);

/* ---- disks: "disk0", "disk1" and so on, which must be opened with RUMPUSER_OPEN_BIO ---- */

#define RUMPUSER_OPEN_RDONLY 0x00
#define RUMPUSER_OPEN_WRONLY 0x01
#define RUMPUSER_OPEN_RDWR 0x02
#define RUMPUSER_OPEN_ACCMODE 0x03
#define RUMPUSER_OPEN_CREATE 0x04
#define RUMPUSER_OPEN_EXCL 0x08
#define RUMPUSER_OPEN_BIO 0x10

#define RUMPUSER_FT_OTHER 0
#define RUMPUSER_FT_DIR 1
#define RUMPUSER_FT_REG 2
#define RUMPUSER_FT_BLK 3
#define RUMPUSER_FT_CHR 4

#define RUMPUSER_BIO_READ 0x01
#define RUMPUSER_BIO_WRITE 0x02
#define RUMPUSER_BIO_SYNC 0x04

#define RUMPUSER_SYNCFD_READ 0x01
#define RUMPUSER_SYNCFD_WRITE 0x02
#define RUMPUSER_SYNCFD_BARRIER 0x04
#define RUMPUSER_SYNCFD_SYNC 0x08

/* ENOENT, EROFS, EMFILE; EINVAL without RUMPUSER_OPEN_BIO, or with CREATE or EXCL. */
int rumpuser_open(const char *path, int mode, int *fd);
/* EBADF. What has been given to rumpuser_bio is done nevertheless. */
int rumpuser_close(int fd);
/* Bytes, and RUMPUSER_FT_BLK. Either pointer may be null. ENOENT. */
int rumpuser_getfileinfo(const char *path, uint64_t *size, int *type);

/* Bytes that were transferred, and an error. */
typedef void (*rump_biodone_fn)(void *argument, size_t done, int error);
/*
 * Has whole sectors of 512 bytes read or written, with RUMPUSER_BIO_SYNC written through. Does not wait: the kernel is
 * told by done(), on a thread of the back end, between hyp_schedule and hyp_unschedule. Every error is told that way.
 */
void rumpuser_bio(int fd, int operation, void *data, size_t length, int64_t offset, rump_biodone_fn done, void *argument);

struct rumpuser_iov {
	void *iov_base;
	size_t iov_len;
};
#define RUMPUSER_IOV_NOSEEK (-1)
/* Whole sectors, as for rumpuser_bio. EBADF, EINVAL, EIO, EROFS; ENOTSUP for RUMPUSER_IOV_NOSEEK: a disk has no position. */
int rumpuser_iovread(int fd, struct rumpuser_iov *, size_t count, int64_t offset, size_t *done);
int rumpuser_iovwrite(int fd, const struct rumpuser_iov *, size_t count, int64_t offset, size_t *done);
/* Waits until everything that was written is durable; the range is not looked at. EINVAL without READ and WRITE. */
int rumpuser_syncfd(int fd, int flags, uint64_t start, uint64_t length);

/* ---- clocks ---- */

enum rumpclock { RUMPUSER_CLOCK_RELWALL, RUMPUSER_CLOCK_ABSMONO };
/* RELWALL: since 1970-01-01 UTC; ABSMONO: since the start. EINVAL for another clock. */
int rumpuser_clock_gettime(int clock, int64_t *seconds, long *nanoseconds);
/* RELWALL: for so long; ABSMONO: until then. EINVAL. */
int rumpuser_clock_sleep(int clock, int64_t seconds, long nanoseconds);

/* ---- parameters ---- */

#define RUMPUSER_PARAM_NCPU "_RUMPUSER_NCPU"
#define RUMPUSER_PARAM_HOSTNAME "_RUMPUSER_HOSTNAME"
/* Other names are NAME=VALUE words of the command line. ENOENT, ERANGE; EINVAL for another name that begins with '_'. */
int rumpuser_getparam(const char *name, void *buffer, size_t size);

/* ---- console, end ---- */

void rumpuser_putchar(int character);
/* d i u x X o c s p %, with - 0 + space #, width, precision, hh h l ll j z t. */
void rumpuser_dprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define RUMPUSER_PID_SELF (-1)
/* There are no processes to signal: ESRCH, or ENOTSUP for the kernel itself. */
int rumpuser_kill(int64_t pid, int signal);
#define RUMPUSER_PANIC (-1)
/* Flushes the disks and ends the machine or process with this status, of which 8 bits count; or panics. */
_Noreturn void rumpuser_exit(int status);
/* Additional: waits until the host asks for a stop, for so many nanoseconds, or for ever if negative. ETIMEDOUT. */
int rumpuser_wait_stop(int64_t timeout);

/* ---- random ---- */

#define RUMPUSER_RANDOM_HARD 0x01
#define RUMPUSER_RANDOM_NOWAIT 0x02
/* EINVAL for other flags. */
int rumpuser_getrandom(void *buffer, size_t size, int flags, size_t *done);

/* ---- threads ---- */

/*
 * A thread is joined through its cookie if joinable, and cookie is not looked at otherwise. Priorities are all the same;
 * cpu is a number below RUMPUSER_PARAM_NCPU, or -1. EINVAL, ENOMEM.
 */
int rumpuser_thread_create(void *(*function)(void *), void *argument, const char *name, int joinable, int priority,
    int cpu, void **cookie);
_Noreturn void rumpuser_thread_exit(void);
/* Once per joinable thread. */
int rumpuser_thread_join(void *cookie);

enum rumplwpop { RUMPUSER_LWP_CREATE, RUMPUSER_LWP_DESTROY, RUMPUSER_LWP_SET, RUMPUSER_LWP_CLEAR };
/* SET and CLEAR: which lwp the calling thread runs. CREATE and DESTROY need nothing here. */
void rumpuser_curlwpop(int operation, struct lwp *);
/* That of the calling thread, or null. */
struct lwp *rumpuser_curlwp(void);
/* Sets the calling thread's error number, for programs of the host; a kernel of its own has none to read it. */
void rumpuser_seterrno(int);

/* ---- locks: misuse is a panic ---- */

struct rumpuser_mtx;
/* Its waiters do not give up the right to run in the kernel. */
#define RUMPUSER_MTX_SPIN 0x01
/* It has an owner. */
#define RUMPUSER_MTX_KMUTEX 0x02
void rumpuser_mutex_init(struct rumpuser_mtx **, int flags);
void rumpuser_mutex_enter(struct rumpuser_mtx *);
void rumpuser_mutex_enter_nowrap(struct rumpuser_mtx *);
/* EBUSY. */
int rumpuser_mutex_tryenter(struct rumpuser_mtx *);
void rumpuser_mutex_exit(struct rumpuser_mtx *);
void rumpuser_mutex_destroy(struct rumpuser_mtx *);
/* The lwp that entered it, or null; for RUMPUSER_MTX_KMUTEX alone. */
void rumpuser_mutex_owner(struct rumpuser_mtx *, struct lwp **);

struct rumpuser_rw;
enum rumprwlock { RUMPUSER_RW_READER, RUMPUSER_RW_WRITER };
void rumpuser_rw_init(struct rumpuser_rw **);
void rumpuser_rw_enter(int kind, struct rumpuser_rw *);
/* EBUSY. */
int rumpuser_rw_tryenter(int kind, struct rumpuser_rw *);
/* From the only reader to the writer. EBUSY if there are others. */
int rumpuser_rw_tryupgrade(struct rumpuser_rw *);
void rumpuser_rw_downgrade(struct rumpuser_rw *);
void rumpuser_rw_exit(struct rumpuser_rw *);
void rumpuser_rw_destroy(struct rumpuser_rw *);
/* READER: whether there are readers; WRITER: whether the calling lwp is the writer. */
void rumpuser_rw_held(int kind, struct rumpuser_rw *, int *held);

struct rumpuser_cv;
void rumpuser_cv_init(struct rumpuser_cv **);
void rumpuser_cv_destroy(struct rumpuser_cv *);
void rumpuser_cv_wait(struct rumpuser_cv *, struct rumpuser_mtx *);
void rumpuser_cv_wait_nowrap(struct rumpuser_cv *, struct rumpuser_mtx *);
/* For so long. ETIMEDOUT. */
int rumpuser_cv_timedwait(struct rumpuser_cv *, struct rumpuser_mtx *, int64_t seconds, int64_t nanoseconds);
void rumpuser_cv_signal(struct rumpuser_cv *);
void rumpuser_cv_broadcast(struct rumpuser_cv *);
void rumpuser_cv_has_waiters(struct rumpuser_cv *, int *);

/* ---- links (additional): Ethernet frames, headers included, checksums complete ---- */

struct rumpuser_link;
/* Each is opened once. ENXIO if there is no such link, EBUSY if it has been opened. */
int rumpuser_link_open(unsigned int index, struct rumpuser_link **, uint8_t address[6], size_t *mtu);
/*
 * Waits for a frame, for so many nanoseconds, or for ever if negative. ETIMEDOUT; EMSGSIZE, and the frame is lost, if it
 * does not fit; EBUSY if another thread waits; ENOMEM if a thread that has not waited before cannot be told of frames. A device
 * may have joined TCP segments: 65,549 bytes are room for any frame.
 */
int rumpuser_link_receive(struct rumpuser_link *, void *buffer, size_t size, int64_t timeout, size_t *length);
/* Does not wait. EAGAIN if the device's queue is full, EMSGSIZE for more than its MTU. */
int rumpuser_link_send(struct rumpuser_link *, const struct rumpuser_iov *, size_t count);

#endif
