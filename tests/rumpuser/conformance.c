/* A kernel in C that exercises each hypercall of rumpuser.h, its errors included, and reports as tests/guest/c/tap.h does. */
#include "rumpuser.h"

static int count, failures;

static void result(int passed, const char *name, int line)
{
	count++;
	if (!passed)
		failures++;
	rumpuser_dprintf("%sok %d %s\n", passed ? "" : "not ", count, name);
	if (!passed)
		rumpuser_dprintf("# conformance.c:%d\n", line);
}

/* The condition holds. */
#define OK(condition, name) result(!!(condition), name, __LINE__)

static int equal(const void *one, const void *other, size_t length)
{
	const unsigned char *a = one, *b = other;

	while (length-- > 0)
		if (*a++ != *b++)
			return 0;
	return 1;
}

static int64_t now(void)
{
	int64_t seconds = 0;
	long rest = 0;

	rumpuser_clock_gettime(RUMPUSER_CLOCK_ABSMONO, &seconds, &rest);
	return seconds * 1000000000 + rest;
}

static void sleep_ms(long ms)
{
	rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, ms / 1000, ms % 1000 * 1000000);
}

/* ---- what the back end calls ---- */

/* The right to run: whoever has it is the only one in this kernel. */
static struct rumpuser_mtx *big;
static int unscheduled, scheduled;

static void schedule(void)
{
	rumpuser_mutex_enter_nowrap(big);
}

static void unschedule(void)
{
	rumpuser_mutex_exit(big);
}

static void backend_unschedule(int nlocks, int *countp, void *interlock)
{
	(void)nlocks, (void)interlock;
	unscheduled++;
	*countp = 7;
	rumpuser_mutex_exit(big);
}

static void backend_schedule(int nlocks, void *interlock)
{
	(void)interlock;
	rumpuser_mutex_enter_nowrap(big);
	if (nlocks == 7)
		scheduled++;
}

static void initialisation(void)
{
	static const struct rumpuser_hyperup up = {
		.hyp_schedule = schedule,
		.hyp_unschedule = unschedule,
		.hyp_backend_unschedule = backend_unschedule,
		.hyp_backend_schedule = backend_schedule,
	};

	OK(rumpuser_init(RUMPUSER_VERSION - 1, &up) == RUMPUSER_EINVAL, "init: another version is EINVAL");
	OK(rumpuser_init(RUMPUSER_VERSION, NULL) == RUMPUSER_EINVAL, "init: no up-calls is EINVAL");
	rumpuser_mutex_init(&big, RUMPUSER_MTX_SPIN);
	schedule();
	OK(rumpuser_init(RUMPUSER_VERSION, &up) == 0, "init: version 17");
}

static void memory(void)
{
	void *blocks[8];
	unsigned char *page;
	int aligned = 1, kept = 1;

	for (int i = 0; i < 8; i++) {
		size_t size = (size_t)100 << i;

		if (rumpuser_malloc(size, 1 << (i + 2), &blocks[i]) != 0) {
			OK(0, "malloc");
			return;
		}
		aligned &= (uintptr_t)blocks[i] % ((size_t)1 << (i + 2)) == 0;
		for (size_t j = 0; j < size; j++)
			((unsigned char *)blocks[i])[j] = (unsigned char)(i + j);
	}
	OK(aligned, "malloc: as aligned as asked for");
	for (int i = 0; i < 8; i++) {
		for (size_t j = 0; j < (size_t)100 << i; j++)
			kept &= ((unsigned char *)blocks[i])[j] == (unsigned char)(i + j);
		rumpuser_free(blocks[i], (size_t)100 << i);
	}
	OK(kept, "malloc: blocks do not overlap");
	OK(rumpuser_malloc(10, 3, &blocks[0]) == RUMPUSER_EINVAL, "malloc: an alignment that is no power of two is EINVAL");
	OK(rumpuser_malloc(10, -4, &blocks[0]) == RUMPUSER_EINVAL, "malloc: a negative alignment is EINVAL");
	OK(rumpuser_malloc((size_t)1 << 46, 0, &blocks[0]) == RUMPUSER_ENOMEM, "malloc: too much is ENOMEM");
	OK(rumpuser_malloc((size_t)-1, 0, &blocks[0]) == RUMPUSER_ENOMEM, "malloc: more than there can be is ENOMEM");
	OK(rumpuser_malloc(0, 0, &blocks[0]) == 0, "malloc: nothing, at the usual alignment");
	rumpuser_free(blocks[0], 0);
	rumpuser_free(NULL, 0);

	OK(rumpuser_anonmmap(NULL, 8192, 12, 0, (void **)&page) == 0 && (uintptr_t)page % 4096 == 0, "anonmmap: two pages");
	aligned = 1;
	for (int i = 0; i < 8192; i++)
		aligned &= page[i] == 0;
	OK(aligned, "anonmmap: they are zero");
	rumpuser_unmap(page, 8192);
	OK(rumpuser_anonmmap(NULL, 100, 0, 0, (void **)&page) == RUMPUSER_EINVAL, "anonmmap: a part of a page is EINVAL");
	OK(rumpuser_anonmmap(NULL, 4096, 40, 0, (void **)&page) == RUMPUSER_EINVAL, "anonmmap: a wide alignment is EINVAL");
	OK(rumpuser_anonmmap(NULL, (size_t)1 << 46, 0, 0, (void **)&page) == RUMPUSER_ENOMEM, "anonmmap: too much is ENOMEM");
	OK(rumpuser_anonmmap(NULL, 4096, 0, 1, (void **)&page) == RUMPUSER_ENOTSUP, "anonmmap: executable is ENOTSUP");
}

static void clocks(void)
{
	int64_t seconds, before, after;
	long rest;

	OK(rumpuser_clock_gettime(RUMPUSER_CLOCK_RELWALL, &seconds, &rest) == 0 && seconds > 1600000000 && rest >= 0 &&
	    rest < 1000000000, "clock: wall time");
	OK(rumpuser_clock_gettime(9, &seconds, &rest) == RUMPUSER_EINVAL, "clock: another clock is EINVAL");
	before = now();
	OK(rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, 0, 20000000) == 0, "sleep: for 20 ms");
	after = now();
	OK(after - before >= 20000000, "sleep: not shorter");
	after += 20000000;
	OK(rumpuser_clock_sleep(RUMPUSER_CLOCK_ABSMONO, after / 1000000000, after % 1000000000) == 0 && now() >= after,
	    "sleep: until a time");
	OK(rumpuser_clock_sleep(RUMPUSER_CLOCK_ABSMONO, 0, 1) == 0, "sleep: until a time that has passed");
	OK(rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, 0, 1000000000) == RUMPUSER_EINVAL, "sleep: a whole second of rest is EINVAL");
	OK(rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, -1, 0) == RUMPUSER_EINVAL, "sleep: a negative time is EINVAL");
	OK(rumpuser_clock_sleep(9, 0, 0) == RUMPUSER_EINVAL, "sleep: another clock is EINVAL");
	OK(unscheduled >= 3 && scheduled == unscheduled, "sleep: the right to run is given up meanwhile");
}

static void parameters(void)
{
	char buffer[64];

	OK(rumpuser_getparam(RUMPUSER_PARAM_NCPU, buffer, sizeof buffer) == 0 && buffer[0] >= '1' && buffer[0] <= '9',
	    "getparam: processors");
	OK(rumpuser_getparam(RUMPUSER_PARAM_HOSTNAME, buffer, sizeof buffer) == 0 && buffer[0] != '\0', "getparam: host name");
	OK(rumpuser_getparam(RUMPUSER_PARAM_HOSTNAME, buffer, 2) == RUMPUSER_ERANGE, "getparam: a short buffer is ERANGE");
	OK(rumpuser_getparam("_UNKNOWN", buffer, sizeof buffer) == RUMPUSER_EINVAL, "getparam: a reserved name is EINVAL");
	OK(rumpuser_getparam("unknown", buffer, sizeof buffer) == RUMPUSER_ENOENT, "getparam: what is not there is ENOENT");
	OK(rumpuser_getparam(NULL, buffer, sizeof buffer) == RUMPUSER_EINVAL, "getparam: no name is EINVAL");
}

static void chance(void)
{
	unsigned char one[100] = { 0 }, other[100] = { 0 };
	size_t done = 0;

	OK(rumpuser_getrandom(one, sizeof one, 0, &done) == 0 && done == sizeof one, "getrandom: as much as asked for");
	OK(rumpuser_getrandom(other, sizeof other, RUMPUSER_RANDOM_HARD | RUMPUSER_RANDOM_NOWAIT, &done) == 0 &&
	    !equal(one, other, sizeof one), "getrandom: not the same again");
	OK(rumpuser_getrandom(one, 1, 0x80, &done) == RUMPUSER_EINVAL, "getrandom: another flag is EINVAL");
	OK(rumpuser_getrandom(one, 0, 0, &done) == 0 && done == 0, "getrandom: nothing");
}

/* ---- threads ---- */

static struct rumpuser_mtx *mutex;
static struct rumpuser_cv *condition;
static struct rumpuser_rw *rw;
static int shared, stage;
static struct lwp *const lwp_one = (struct lwp *)&shared, *const lwp_other = (struct lwp *)&stage;

/* Every thread of this kernel has the right to run while it does anything but wait. */
static void *start(void *(*function)(void *), void *argument)
{
	void *cookie = NULL;

	if (rumpuser_thread_create(function, argument, "conformance", 1, 0, -1, &cookie) != 0)
		OK(0, "thread_create");
	return cookie;
}

static void *set(void *argument)
{
	schedule();
	*(int *)argument = 1;
	unschedule();
	return NULL;
}

static __attribute__((noinline)) void leave_below(volatile int *reached)
{
	*reached = 1;
	rumpuser_thread_exit();
}

static __attribute__((noinline)) void leave_deeply(void (*below)(volatile int *))
{
	volatile int reached = 0;

	below(&reached);
	/* Not reached. */
	shared = -1 - reached;
}

static void *leave(void *argument)
{
	schedule();
	*(int *)argument = 2;
	unschedule();
	leave_deeply(leave_below);
	shared = -1;
	return NULL;
}

static void *own_lwp(void *argument)
{
	schedule();
	rumpuser_curlwpop(RUMPUSER_LWP_CREATE, lwp_other);
	*(int *)argument = rumpuser_curlwp() == NULL;
	rumpuser_curlwpop(RUMPUSER_LWP_SET, lwp_other);
	sleep_ms(10);
	*(int *)argument &= rumpuser_curlwp() == lwp_other;
	rumpuser_seterrno(3);
	rumpuser_curlwpop(RUMPUSER_LWP_CLEAR, lwp_other);
	*(int *)argument &= rumpuser_curlwp() == NULL;
	rumpuser_curlwpop(RUMPUSER_LWP_DESTROY, lwp_other);
	unschedule();
	return NULL;
}

static void threads(void)
{
	int done = 0;
	void *cookie;

	OK(rumpuser_thread_join(start(set, &done)) == 0 && done == 1, "thread: runs and is joined");
	cookie = start(set, &done);
	sleep_ms(30);
	OK(rumpuser_thread_join(cookie) == 0, "thread: joined after its end");
	OK(rumpuser_thread_join(start(leave, &done)) == 0 && done == 2 && shared == 0, "thread: exit from a depth");
	OK(rumpuser_thread_join(NULL) == RUMPUSER_EINVAL, "thread: no cookie is EINVAL");
	done = 0;
	OK(rumpuser_thread_create(set, &done, NULL, 0, 0, 0, NULL) == 0, "thread: one that is not joined, on the first processor");
	for (int i = 0; i < 200 && !done; i++)
		sleep_ms(10);
	OK(done, "thread: it runs all the same");
	OK(rumpuser_thread_create(NULL, NULL, "x", 0, 0, -1, NULL) == RUMPUSER_EINVAL, "thread: no function is EINVAL");
	OK(rumpuser_thread_create(set, &done, "x", 0, 0, 4096, NULL) == RUMPUSER_EINVAL, "thread: no such processor is EINVAL");
	OK(rumpuser_thread_create(set, &done, "x", 1, 0, -1, NULL) == RUMPUSER_EINVAL, "thread: no place for the cookie is EINVAL");

	OK(rumpuser_curlwp() == NULL, "curlwp: none at first");
	rumpuser_curlwpop(RUMPUSER_LWP_SET, lwp_one);
	rumpuser_thread_join(start(own_lwp, &done));
	OK(done == 1, "curlwp: each thread has its own");
	OK(rumpuser_curlwp() == lwp_one, "curlwp: and keeps it");
}

static void *count_up(void *argument)
{
	(void)argument;
	schedule();
	for (int i = 0; i < 200; i++) {
		int value;

		rumpuser_mutex_enter(mutex);
		value = shared;
		if (i % 50 == 0)
			sleep_ms(1);
		shared = value + 1;
		rumpuser_mutex_exit(mutex);
	}
	unschedule();
	return NULL;
}

static void *try_mutex(void *argument)
{
	schedule();
	*(int *)argument = rumpuser_mutex_tryenter(mutex);
	unschedule();
	return NULL;
}

static void mutexes(void)
{
	struct lwp *owner;
	void *cookies[4];
	int answer = 0;

	rumpuser_mutex_init(&mutex, RUMPUSER_MTX_KMUTEX);
	rumpuser_mutex_owner(mutex, &owner);
	OK(owner == NULL, "mutex: nobody owns a new one");
	rumpuser_mutex_enter(mutex);
	rumpuser_mutex_owner(mutex, &owner);
	OK(owner == lwp_one, "mutex: its owner is known");
	OK(rumpuser_mutex_tryenter(mutex) == RUMPUSER_EBUSY, "mutex: not entered twice");
	rumpuser_thread_join(start(try_mutex, &answer));
	OK(answer == RUMPUSER_EBUSY, "mutex: EBUSY for another thread");
	rumpuser_mutex_exit(mutex);
	rumpuser_mutex_owner(mutex, &owner);
	OK(owner == NULL, "mutex: nobody owns it after that");
	OK(rumpuser_mutex_tryenter(mutex) == 0, "mutex: free to try");
	rumpuser_mutex_exit(mutex);
	shared = 0;
	for (int i = 0; i < 4; i++)
		cookies[i] = start(count_up, NULL);
	for (int i = 0; i < 4; i++)
		rumpuser_thread_join(cookies[i]);
	OK(shared == 800, "mutex: four threads lose no update");
	rumpuser_mutex_destroy(mutex);
}

/* ---- reader/writer locks ---- */

static void *read_lock(void *argument)
{
	schedule();
	rumpuser_rw_enter(RUMPUSER_RW_READER, rw);
	++*(int *)argument;
	sleep_ms(20);
	rumpuser_rw_exit(rw);
	unschedule();
	return NULL;
}

static void *write_lock(void *argument)
{
	int mine = 0;

	schedule();
	rumpuser_curlwpop(RUMPUSER_LWP_SET, lwp_other);
	rumpuser_rw_enter(RUMPUSER_RW_WRITER, rw);
	rumpuser_rw_held(RUMPUSER_RW_WRITER, rw, &mine);
	*(int *)argument += mine ? 100 : 1000;
	rumpuser_rw_exit(rw);
	rumpuser_curlwpop(RUMPUSER_LWP_CLEAR, lwp_other);
	unschedule();
	return NULL;
}

static void rwlocks(void)
{
	void *cookies[4];
	int entered = 0, held = 9;

	rumpuser_rw_init(&rw);
	rumpuser_rw_held(RUMPUSER_RW_READER, rw, &held);
	OK(held == 0, "rw: no readers at first");
	rumpuser_rw_enter(RUMPUSER_RW_READER, rw);
	OK(rumpuser_rw_tryenter(RUMPUSER_RW_READER, rw) == 0, "rw: two readers");
	rumpuser_rw_held(RUMPUSER_RW_READER, rw, &held);
	OK(held == 1, "rw: there are readers");
	OK(rumpuser_rw_tryenter(RUMPUSER_RW_WRITER, rw) == RUMPUSER_EBUSY, "rw: no writer beside readers");
	OK(rumpuser_rw_tryupgrade(rw) == RUMPUSER_EBUSY, "rw: no upgrade beside another reader");
	rumpuser_rw_exit(rw);
	OK(rumpuser_rw_tryupgrade(rw) == 0, "rw: the only reader becomes the writer");
	rumpuser_rw_held(RUMPUSER_RW_WRITER, rw, &held);
	OK(held == 1, "rw: it is us");
	OK(rumpuser_rw_tryenter(RUMPUSER_RW_READER, rw) == RUMPUSER_EBUSY, "rw: no reader beside a writer");
	OK(rumpuser_rw_tryenter(9, rw) == RUMPUSER_EINVAL, "rw: another kind is EINVAL");
	for (int i = 0; i < 3; i++)
		cookies[i] = start(read_lock, &entered);
	cookies[3] = start(write_lock, &entered);
	sleep_ms(40);
	OK(entered == 0, "rw: everyone waits for the writer");
	rumpuser_rw_downgrade(rw);
	rumpuser_rw_held(RUMPUSER_RW_WRITER, rw, &held);
	OK(held == 0, "rw: the writer has become a reader");
	sleep_ms(10);
	OK(entered >= 1 && entered < 100, "rw: others read with it, and nobody writes");
	rumpuser_rw_exit(rw);
	for (int i = 0; i < 4; i++)
		rumpuser_thread_join(cookies[i]);
	OK(entered == 103, "rw: three have read and one has written");
	rumpuser_rw_destroy(rw);
}

/* ---- condition variables ---- */

static void *wait_turn(void *argument)
{
	schedule();
	rumpuser_mutex_enter(mutex);
	while (stage == 0)
		if (argument != NULL)
			rumpuser_cv_wait(condition, mutex);
		else {
			/* Without the up-calls: the kernel gives up its right itself. */
			unschedule();
			rumpuser_cv_wait_nowrap(condition, mutex);
			rumpuser_mutex_exit(mutex);
			schedule();
			rumpuser_mutex_enter(mutex);
		}
	shared++;
	rumpuser_mutex_exit(mutex);
	unschedule();
	return NULL;
}

static void conditions(int flags, const char *which)
{
	void *cookies[4];
	int waiters = 9;
	int64_t before;

	rumpuser_dprintf("# a condition variable with a %s mutex\n", which);
	rumpuser_mutex_init(&mutex, flags);
	rumpuser_cv_init(&condition);
	shared = stage = 0;
	rumpuser_cv_has_waiters(condition, &waiters);
	OK(waiters == 0, "cv: nobody waits at first");
	rumpuser_cv_signal(condition);
	rumpuser_cv_broadcast(condition);

	rumpuser_mutex_enter(mutex);
	before = now();
	OK(rumpuser_cv_timedwait(condition, mutex, 0, 20000000) == RUMPUSER_ETIMEDOUT && now() - before >= 20000000,
	    "cv: a wait ends at its time");
	OK(rumpuser_mutex_tryenter(mutex) == RUMPUSER_EBUSY, "cv: the mutex is ours again");
	OK(rumpuser_cv_timedwait(condition, mutex, 0, -1) == RUMPUSER_EINVAL, "cv: a negative time is EINVAL");
	rumpuser_cv_has_waiters(condition, &waiters);
	OK(waiters == 0, "cv: who gave up does not wait");
	rumpuser_mutex_exit(mutex);

	for (int i = 0; i < 4; i++)
		cookies[i] = start(wait_turn, i == 3 ? NULL : &shared);
	sleep_ms(50);
	rumpuser_mutex_enter(mutex);
	rumpuser_cv_has_waiters(condition, &waiters);
	OK(waiters == 1 && shared == 0, "cv: four wait");
	stage = 1;
	rumpuser_cv_signal(condition);
	rumpuser_mutex_exit(mutex);
	sleep_ms(50);
	OK(shared == 1, "cv: a signal wakes one");
	rumpuser_mutex_enter(mutex);
	rumpuser_cv_broadcast(condition);
	rumpuser_mutex_exit(mutex);
	for (int i = 0; i < 4; i++)
		rumpuser_thread_join(cookies[i]);
	OK(shared == 4, "cv: a broadcast wakes all");
	rumpuser_cv_destroy(condition);
	rumpuser_mutex_destroy(mutex);
}

/* ---- disks ---- */

static int bio_error, bio_alone;
static size_t bio_done;

static void done(void *argument, size_t length, int error)
{
	/* We have the right to run: nobody else can have taken it. */
	bio_alone = rumpuser_mutex_tryenter(big) == RUMPUSER_EBUSY;
	bio_error = error;
	bio_done = length;
	*(volatile int *)argument = 1;
}

static int bio(int fd, int operation, void *data, size_t length, int64_t offset)
{
	volatile int finished = 0;

	rumpuser_bio(fd, operation, data, length, offset, done, (void *)&finished);
	while (!finished)
		sleep_ms(1);
	return bio_error;
}

static void no_disk(void)
{
	uint64_t size;
	int type, fd;

	OK(rumpuser_getfileinfo("disk99", &size, &type) == RUMPUSER_ENOENT, "getfileinfo: no such disk is ENOENT");
	OK(rumpuser_getfileinfo("/etc/passwd", &size, &type) == RUMPUSER_ENOENT, "getfileinfo: what is no disk is ENOENT");
	OK(rumpuser_getfileinfo(NULL, &size, &type) == RUMPUSER_EINVAL, "getfileinfo: no path is EINVAL");
	OK(rumpuser_open("disk99", RUMPUSER_OPEN_BIO, &fd) == RUMPUSER_ENOENT, "open: no such disk is ENOENT");
	OK(rumpuser_close(3) == RUMPUSER_EBADF && rumpuser_close(-1) == RUMPUSER_EBADF, "close: what is not open is EBADF");
	OK(bio(5, RUMPUSER_BIO_READ, &size, 512, 0) == RUMPUSER_EBADF && bio_done == 0, "bio: what is not open is EBADF");
	OK(bio_alone, "bio: its end is told with the right to run");
	OK(rumpuser_syncfd(5, RUMPUSER_SYNCFD_WRITE, 0, 0) == RUMPUSER_EBADF, "syncfd: what is not open is EBADF");
	OK(rumpuser_syncfd(5, RUMPUSER_SYNCFD_SYNC, 0, 0) == RUMPUSER_EINVAL, "syncfd: neither of both is EINVAL");
}

static void disk(void)
{
	static unsigned char written[2048], read[2048];
	struct rumpuser_iov parts[2] = { { read, 512 }, { read + 512, 1024 } };
	uint64_t size = 0;
	int type = 0, fd = -1, reader = -1, writer = -1, all = 1, fds[32], opened = 0;
	size_t length = 9;

	no_disk();
	if (rumpuser_getfileinfo("disk0", &size, &type) != 0) {
		rumpuser_dprintf("# there is no disk\n");
		return;
	}
	rumpuser_dprintf("# disk0 has %llu bytes\n", (unsigned long long)size);
	OK(size > 4096 && type == RUMPUSER_FT_BLK, "getfileinfo: a disk's size and type");
	OK(rumpuser_getfileinfo("disk0", NULL, NULL) == 0, "getfileinfo: nothing asked for");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_RDWR, &fd) == RUMPUSER_EINVAL, "open: without BIO is EINVAL");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_RDWR | RUMPUSER_OPEN_BIO | RUMPUSER_OPEN_CREATE, &fd) == RUMPUSER_EINVAL,
	    "open: to create is EINVAL");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_RDWR | RUMPUSER_OPEN_BIO, &fd) == 0, "open: to read and write");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_RDONLY | RUMPUSER_OPEN_BIO, &reader) == 0 && reader != fd, "open: again, to read");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_BIO | RUMPUSER_OPEN_EXCL, &type) == RUMPUSER_EINVAL, "open: alone is EINVAL");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_BIO | RUMPUSER_OPEN_ACCMODE, &type) == RUMPUSER_EINVAL, "open: no access is EINVAL");
	OK(rumpuser_open("disk0", RUMPUSER_OPEN_BIO | RUMPUSER_OPEN_WRONLY, &writer) == 0 &&
	    bio(writer, RUMPUSER_BIO_READ, read, 512, 0) == RUMPUSER_EBADF && rumpuser_close(writer) == 0,
	    "bio: a read of what is open to write is EBADF");
	for (size_t i = 0; i < sizeof written; i++)
		written[i] = (unsigned char)(i * 7 + i / 512);
	OK(bio(fd, RUMPUSER_BIO_WRITE | RUMPUSER_BIO_SYNC, written, sizeof written, 1024) == 0 && bio_done == sizeof written,
	    "bio: written through");
	OK(bio(reader, RUMPUSER_BIO_READ, read, sizeof read, 1024) == 0 && equal(read, written, sizeof read), "bio: read back");
	OK(bio(reader, RUMPUSER_BIO_WRITE, written, 512, 0) == RUMPUSER_EBADF, "bio: a write to what is open to read is EBADF");
	OK(bio(fd, RUMPUSER_BIO_READ, read, 100, 0) == RUMPUSER_EINVAL, "bio: a part of a sector is EINVAL");
	OK(bio(fd, RUMPUSER_BIO_READ, read, 512, 100) == RUMPUSER_EINVAL, "bio: between sectors is EINVAL");
	OK(bio(fd, RUMPUSER_BIO_READ, read, 512, -512) == RUMPUSER_EINVAL, "bio: before the beginning is EINVAL");
	OK(bio(fd, RUMPUSER_BIO_READ, read, 512, (int64_t)size) == RUMPUSER_EINVAL, "bio: behind the end is EINVAL");
	OK(bio(fd, 0, read, 512, 0) == RUMPUSER_EINVAL, "bio: neither read nor write is EINVAL");
	for (size_t i = 0; i < sizeof read; i++)
		read[i] = 0;
	OK(rumpuser_iovread(reader, parts, 2, 1024, &length) == 0 && length == 1536 && equal(read, written, 1536),
	    "iovread: into two buffers");
	parts[0] = (struct rumpuser_iov){ written + 512, 512 };
	OK(rumpuser_iovwrite(fd, parts, 1, 4096 - 512, &length) == 0 && length == 512, "iovwrite");
	OK(rumpuser_syncfd(fd, RUMPUSER_SYNCFD_WRITE | RUMPUSER_SYNCFD_BARRIER | RUMPUSER_SYNCFD_SYNC, 0, 0) == 0, "syncfd");
	parts[0] = (struct rumpuser_iov){ read, 512 };
	OK(rumpuser_iovread(reader, parts, 1, 4096 - 512, &length) == 0 && equal(read, written + 512, 512), "iovread: what was written");
	OK(rumpuser_iovread(reader, parts, 1, RUMPUSER_IOV_NOSEEK, &length) == RUMPUSER_ENOTSUP, "iovread: a disk has no position");
	OK(rumpuser_iovread(reader, parts, 1, (int64_t)size, &length) == RUMPUSER_EINVAL, "iovread: behind the end is EINVAL");
	OK(rumpuser_iovread(reader, parts, 1, 100, &length) == RUMPUSER_EINVAL, "iovread: between sectors is EINVAL");
	OK(rumpuser_iovwrite(reader, parts, 1, 0, &length) == RUMPUSER_EBADF, "iovwrite: what is open to read is EBADF");
	OK(rumpuser_iovwrite(fd, parts, 1, 100, &length) == RUMPUSER_EINVAL, "iovwrite: between sectors is EINVAL");
	OK(rumpuser_iovwrite(fd, parts, 1, RUMPUSER_IOV_NOSEEK, &length) == RUMPUSER_ENOTSUP, "iovwrite: a disk has no position");
	OK(rumpuser_iovread(99, parts, 1, 0, &length) == RUMPUSER_EBADF && rumpuser_iovwrite(99, parts, 1, 0, &length) == RUMPUSER_EBADF,
	    "iovread, iovwrite: what is not open is EBADF");
	while (opened < 32 && rumpuser_open("disk0", RUMPUSER_OPEN_BIO, &fds[opened]) == 0)
		opened++;
	OK(opened < 32 && rumpuser_open("disk0", RUMPUSER_OPEN_BIO, &type) == RUMPUSER_EMFILE, "open: too many is EMFILE");
	while (opened > 0)
		all &= rumpuser_close(fds[--opened]) == 0;
	OK(all && rumpuser_close(fd) == 0 && rumpuser_close(reader) == 0 && rumpuser_close(fd) == RUMPUSER_EBADF, "close");
	rumpuser_dprintf("# disk0 was read back\n");
}

/* A disk that cannot be written, if there is one. */
static void read_only_disk(void)
{
	static unsigned char sector[512];
	int fd = -1;

	if (rumpuser_getfileinfo("disk1", NULL, NULL) != 0)
		return;
	OK(rumpuser_open("disk1", RUMPUSER_OPEN_RDWR | RUMPUSER_OPEN_BIO, &fd) == RUMPUSER_EROFS, "open: to write a read-only disk is EROFS");
	OK(rumpuser_open("disk1", RUMPUSER_OPEN_WRONLY | RUMPUSER_OPEN_BIO, &fd) == RUMPUSER_EROFS, "open: and so to write alone");
	OK(rumpuser_open("disk1", RUMPUSER_OPEN_RDONLY | RUMPUSER_OPEN_BIO, &fd) == 0 &&
	    bio(fd, RUMPUSER_BIO_READ, sector, 512, 0) == 0 && rumpuser_close(fd) == 0, "bio: a read-only disk is read");
	rumpuser_dprintf("# disk1 was read-only\n");
}

/* A disk on which nothing works, if there is one. */
static void broken_disk(void)
{
	static unsigned char sector[512];
	struct rumpuser_iov part = { sector, 512 };
	size_t length = 9;
	int fd = -1;

	if (rumpuser_open("disk2", RUMPUSER_OPEN_RDWR | RUMPUSER_OPEN_BIO, &fd) != 0)
		return;
	OK(bio(fd, RUMPUSER_BIO_READ, sector, 512, 0) == RUMPUSER_EIO && bio_done == 0, "bio: a read that fails is EIO");
	OK(bio(fd, RUMPUSER_BIO_WRITE, sector, 512, 0) == RUMPUSER_EIO && bio_done == 0, "bio: a write that fails is EIO");
	OK(rumpuser_iovread(fd, &part, 1, 0, &length) == RUMPUSER_EIO, "iovread: a read that fails is EIO");
	OK(rumpuser_iovwrite(fd, &part, 1, 0, &length) == RUMPUSER_EIO, "iovwrite: a write that fails is EIO");
	OK(rumpuser_syncfd(fd, RUMPUSER_SYNCFD_WRITE | RUMPUSER_SYNCFD_SYNC, 0, 0) == RUMPUSER_EIO, "syncfd: a flush that fails is EIO");
	OK(rumpuser_close(fd) == 0, "close: a broken disk");
	rumpuser_dprintf("# disk2 was broken\n");
}

/* ---- links ---- */

static struct rumpuser_link *waited_for;

static void *wait_for_frame(void *argument)
{
	static unsigned char frame[2048];
	size_t length;
	int64_t until = now() + 200000000;

	schedule();
	*(int *)argument = 1;
	while (now() < until)
		rumpuser_link_receive(waited_for, frame, sizeof frame, until - now(), &length);
	unschedule();
	return NULL;
}

static void link(void)
{
	static unsigned char frame[2048];
	struct rumpuser_link *link, *again;
	struct rumpuser_iov parts[2] = { { frame, 42 }, { frame + 42, 18 } };
	uint8_t address[6] = { 0 };
	/* An ARP request for the router of a user-mode network, from an address that nobody has. */
	static const unsigned char request[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x08, 0x06,
		0, 1, 0x08, 0, 6, 4, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 2, 77, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};
	size_t mtu = 0, length = 0;
	int answered = 0, error = 0, waits = 0, sent = 0;
	void *cookie;
	int64_t before;

	OK(rumpuser_link_open(99, &link, address, &mtu) == RUMPUSER_ENXIO, "link: no such link is ENXIO");
	if (rumpuser_link_open(0, &link, address, &mtu) != 0) {
		rumpuser_dprintf("# there is no link\n");
		return;
	}
	OK(mtu >= 1500 && (address[0] & 1) == 0, "link: an address and an MTU");
	OK(rumpuser_link_open(0, &again, address, &mtu) == RUMPUSER_EBUSY, "link: opened once");
	OK(rumpuser_link_send(link, parts, 0) == RUMPUSER_EMSGSIZE, "link: less than a header is EMSGSIZE");
	parts[1].iov_len = mtu;
	OK(rumpuser_link_send(link, parts, 2) == RUMPUSER_EMSGSIZE, "link: more than the MTU is EMSGSIZE");
	parts[1].iov_len = 18;
	for (size_t i = 0; i < sizeof request; i++)
		frame[i] = request[i];
	for (int i = 0; i < 6; i++)
		frame[6 + i] = frame[22 + i] = address[i];
	for (int try = 0; try < 5 && !answered; try++) {
		if (rumpuser_link_send(link, parts, 2) != 0)
			continue;
		while (!answered && rumpuser_link_receive(link, frame + 512, 1514, 1000000000, &length) == 0)
			/* An answer to us, of protocol ARP. */
			answered = length >= 42 && frame[512 + 12] == 0x08 && frame[512 + 13] == 0x06 && frame[512 + 21] == 2;
	}
	OK(answered && equal(frame + 512 + 28, request + 38, 4), "link: a request is answered");
	before = now();
	while (rumpuser_link_receive(link, frame, sizeof frame, 30000000, &length) == 0)
		before = now();
	OK(now() - before >= 30000000, "link: a wait ends at its time");
	rumpuser_dprintf("# link 0 was answered\n");

	/* The same again, with room for less than the answer. */
	for (int try = 0; try < 5 && error != RUMPUSER_EMSGSIZE; try++)
		if (rumpuser_link_send(link, parts, 2) == 0)
			error = rumpuser_link_receive(link, frame + 512, 20, 1000000000, &length);
	OK(error == RUMPUSER_EMSGSIZE, "link: a frame that does not fit is EMSGSIZE");
	waited_for = link;
	cookie = start(wait_for_frame, &waits);
	for (int i = 0; i < 100 && !waits; i++)
		sleep_ms(1);
	OK(waits && rumpuser_link_receive(link, frame + 512, 1514, 0, &length) == RUMPUSER_EBUSY, "link: two that wait are EBUSY");
	rumpuser_thread_join(cookie);

	/* Whether a queue fills up depends on who empties it. */
	do
		error = rumpuser_link_send(link, parts, 2);
	while (error == 0 && ++sent < 2000);
	OK(error == 0 || error == RUMPUSER_EAGAIN, "link: a full queue is EAGAIN");
	if (error == RUMPUSER_EAGAIN)
		rumpuser_dprintf("# the queue of link 0 was full\n");
	for (error = RUMPUSER_EAGAIN; error == RUMPUSER_EAGAIN && sent < 4000; sent++) {
		sleep_ms(1);
		error = rumpuser_link_send(link, parts, 2);
	}
	OK(error == 0, "link: and has room again later");
}

/* ---- a request to stop ---- */

/* Set when one is waited for: whoever runs this kernel with "stop=asked" on its command line asks then. */
volatile int conformance_awaits_stop;

static void stop(void)
{
	char text[8];

	OK(rumpuser_wait_stop(10000000) == RUMPUSER_ETIMEDOUT, "wait_stop: nobody asks for a stop");
	if (rumpuser_getparam("stop", text, sizeof text) != 0)
		return;
	OK(equal(text, "asked", sizeof "asked"), "getparam: a word of the command line");
	conformance_awaits_stop = 1;
	OK(rumpuser_wait_stop(10000000000) == 0, "wait_stop: a stop is asked for");
	OK(rumpuser_wait_stop(0) == 0 && rumpuser_wait_stop(-1) == 0, "wait_stop: and stays asked for");
	rumpuser_dprintf("# a stop was asked for\n");
}

static void output(void)
{
	/* Where the compiler does not see it. */
	const char *volatile none = NULL;

	/* The reader of this output compares the lines. */
	rumpuser_dprintf("# format |%d|%5d|%-5d|%05d|%+d|% d|%.3d|\n", -1, 42, 42, -42, 7, 7, 5);
	rumpuser_dprintf("# format |%u|%lu|%zu|%x|%#X|%#o|%hhu|%hd|\n", 4000000000u, 5000000000ul, (size_t)6, 255, 255, 8, 256 + 7, 65537);
	rumpuser_dprintf("# format |%s|%8s|%-8s|%.2s|%s|%c|%%|%*d|%.*s|\n", "abc", "abc", "abc", "abc", none, 'z', 4, 1, 1, "xy");
	rumpuser_dprintf("# format |%p|%lld|%llx|%jd|%i|\n", (void *)0x1234, -9000000000ll, 0xfedcba9876543210ull, (intmax_t)-5, 0);
	for (const char *text = "# putchar\n"; *text != '\0'; text++)
		rumpuser_putchar(*text);
}

/* The kernel. */
int conformance_init(void)
{
	initialisation();
	output();
	memory();
	clocks();
	parameters();
	chance();
	threads();
	mutexes();
	rwlocks();
	conditions(RUMPUSER_MTX_KMUTEX, "sleeping");
	conditions(RUMPUSER_MTX_KMUTEX | RUMPUSER_MTX_SPIN, "spinning");
	disk();
	read_only_disk();
	broken_disk();
	link();
	OK(rumpuser_kill(RUMPUSER_PID_SELF, 9) == RUMPUSER_ENOTSUP, "kill: the kernel itself is ENOTSUP");
	OK(rumpuser_kill(1, 9) == RUMPUSER_ESRCH, "kill: a process is ESRCH");
	stop();
	OK(scheduled == unscheduled, "every wait has taken the right to run again");
	rumpuser_dprintf("1..%d\n", count);
	rumpuser_exit(failures != 0);
}
