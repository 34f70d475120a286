/* Reading a disk: several transfers at once, whose ends are awaited. */
#include "tiny.h"

#define CHUNK 4096
#define AT_ONCE 4

static struct rumpuser_mtx *lock;
static struct rumpuser_cv *ended;

struct transfer {
	unsigned char *data;
	int busy, error;
};

/* On a thread of the back end, with the right to run. */
static void done(void *argument, size_t length, int error)
{
	struct transfer *transfer = argument;

	rumpuser_mutex_enter(lock);
	transfer->busy = 0;
	transfer->error = error != 0 || length != CHUNK;
	rumpuser_cv_broadcast(ended);
	rumpuser_mutex_exit(lock);
}

/* Waits for the end of a transfer, and adds what it has read. */
static int collect(struct transfer *transfer, uint64_t *sum)
{
	rumpuser_mutex_enter(lock);
	while (transfer->busy)
		rumpuser_cv_wait(ended, lock);
	rumpuser_mutex_exit(lock);
	for (int i = 0; i < CHUNK && !transfer->error; i++)
		*sum += transfer->data[i];
	return transfer->error;
}

int disk_read(void)
{
	struct transfer transfers[AT_ONCE];
	uint64_t size, sum = 0;
	int fd, type, failed = 0;

	if (rumpuser_getfileinfo("disk0", &size, &type) != 0) {
		say("there is no disk\n");
		return 0;
	}
	if (type != RUMPUSER_FT_BLK || rumpuser_open("disk0", RUMPUSER_OPEN_RDONLY | RUMPUSER_OPEN_BIO, &fd) != 0) {
		say("disk0 cannot be opened\n");
		return 1;
	}
	rumpuser_mutex_init(&lock, RUMPUSER_MTX_KMUTEX);
	rumpuser_cv_init(&ended);
	for (int i = 0; i < AT_ONCE; i++) {
		if (rumpuser_anonmmap(NULL, CHUNK, 12, 0, (void **)&transfers[i].data) != 0)
			panic("no memory for a disk's buffers");
		transfers[i].busy = -1;
	}
	size -= size % CHUNK;
	for (uint64_t at = 0; at < size + AT_ONCE * CHUNK; at += CHUNK) {
		struct transfer *transfer = &transfers[at / CHUNK % AT_ONCE];

		if (at >= AT_ONCE * CHUNK)
			failed |= transfer->busy != -1 && collect(transfer, &sum);
		transfer->busy = at < size ? 1 : -1;
		if (at < size)
			rumpuser_bio(fd, RUMPUSER_BIO_READ, transfer->data, CHUNK, (int64_t)at, done, transfer);
	}
	for (int i = 0; i < AT_ONCE; i++)
		rumpuser_unmap(transfers[i].data, CHUNK);
	rumpuser_close(fd);
	rumpuser_cv_destroy(ended);
	rumpuser_mutex_destroy(lock);
	say("disk0 has %llu bytes in whole pages, whose sum is %llu%s\n", (unsigned long long)size, (unsigned long long)sum,
	    failed ? "; some could not be read" : "");
	return failed;
}
