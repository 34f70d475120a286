/*
 * A disk: `block DEVICE` reads and writes a block special file of at least 1 MiB (on a host, a plain file will do);
 * `block DEVICE ro` expects one that refuses to be written; `block DEVICE N` writes and reads it in N rounds; `block DEVICE plug`
 * expects that it is unplugged, and plugged in again; `block DEVICE full` that whatever keeps it has room for less than 1 MiB.
 */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* <linux/fs.h>, which musl does not come with. */
#define BLKROGET 0x125e
#define BLKSSZGET 0x1268
#define BLKGETSIZE64 0x80081272
#define BLKDISCARD 0x1277

#define MIB (1L << 20)

static uint8_t pattern(long offset)
{
	return (uint8_t)((offset * 2654435761u) >> 13);
}

static int holds(const uint8_t *bytes, long offset, long size)
{
	for (long i = 0; i < size; i++)
		if (bytes[i] != pattern(offset + i))
			return 0;
	return 1;
}

static void sizes(int disk, int special, long size)
{
	uint64_t bytes = 0;
	int sector = 0;

	OK(size >= MIB && size % 512 == 0, "its end is its size");
	if (!special)
		return;
	OK(ioctl(disk, BLKGETSIZE64, &bytes) == 0 && bytes == (uint64_t)size, "which it tells");
	OK(ioctl(disk, BLKSSZGET, &sector) == 0 && (sector == 512 || sector == 4096), "it tells its sectors' size");
}

static void contents(int disk, long size)
{
	static uint8_t block[65536], back[65536];
	int whole = 1;

	for (long offset = 0; offset < MIB; offset += sizeof block) {
		for (long i = 0; i < (long)sizeof block; i++)
			block[i] = pattern(offset + i);
		whole &= pwrite(disk, block, sizeof block, offset) == sizeof block;
	}
	OK(whole, "1 MiB can be written");
	OK(fsync(disk) == 0 && fdatasync(disk) == 0, "and synced");
	for (long offset = MIB - sizeof back; offset >= 0; offset -= sizeof back)
		whole &= pread(disk, back, sizeof back, offset) == sizeof back && holds(back, offset, sizeof back);
	OK(whole, "it comes back");
	OK(pread(disk, back, 1000, 12345) == 1000 && holds(back, 12345, 1000), "so does any part");
	OK(pwrite(disk, "hello", 5, 1021) == 5 && pread(disk, back, 11, 1018) == 11 && !memcmp(back + 3, "hello", 5) &&
		   holds(back, 1018, 3) && holds(back + 8, 1026, 3),
	   "a write across sectors changes no byte around it");
	for (long i = 0; i < 5; i++)
		block[i] = pattern(1021 + i);
	MUST(pwrite(disk, block, 5, 1021));
	OK(lseek(disk, 4096, SEEK_SET) == 4096 && read(disk, back, 512) == 512 && holds(back, 4096, 512) &&
		   lseek(disk, 0, SEEK_CUR) == 4608,
	   "it can be read on and on");
	OK(pread(disk, back, 512, size - 100) == 100, "a read ends at the end");
	OK(pread(disk, back, 512, size) == 0, "behind which there is nothing");
	FAILS(pread(disk, (void *)8, 512, 0), EFAULT, "a bad buffer is refused");
	FAILS(pread(disk, back, 512, -1), EINVAL, "so is a bad position");
	OK(fsync(disk) == 0, "it can be synced again");
}

/* What lies in a part that is discarded is unknown afterwards; what lies around it is not. */
static void discard(int disk, int special, long size)
{
	static uint8_t back[MIB];
	uint64_t part[2] = { 256 << 10, 128 << 10 }, odd[2] = { 1, 512 }, outside[2] = { size - 512, 1024 };

	if (!special)
		return;
	OK(ioctl(disk, BLKDISCARD, part) == 0 && fsync(disk) == 0, "a part can be discarded");
	OK(pread(disk, back, MIB, 0) == MIB && holds(back, 0, part[0]) &&
		   holds(back + part[0] + part[1], part[0] + part[1], MIB - part[0] - part[1]),
	   "which changes no byte around it");
	for (long i = part[0]; i < (long)(part[0] + part[1]); i++)
		back[i] = pattern(i);
	OK(pwrite(disk, back + part[0], part[1], part[0]) == (long)part[1] && pread(disk, back, MIB, 0) == MIB && holds(back, 0, MIB),
	   "and it can be written again");
	FAILS(ioctl(disk, BLKDISCARD, odd), EINVAL, "what is not whole sectors is not discarded");
	FAILS(ioctl(disk, BLKDISCARD, outside), EINVAL, "nor is what lies behind the end");
}

static void limits(const char *path, int disk, int special, long size)
{
	char sector[512];
	int other = open(path, O_RDONLY);

	FAILS(write(other, sector, 512), EBADF, "what is open for reading is not written");
	close(other);
	FAILS(open("/dev/absent", O_RDWR), ENOENT, "a disk that is not there cannot be opened");
	if (!special)
		return;
	FAILS(pwrite(disk, sector, 512, size), ENOSPC, "behind the end there is no space");
	MUST(pread(disk, sector, 512, size - 512));
	OK(pwrite(disk, sector, 512, size - 256) == 256, "a write ends at the end");
	MUST(pread(disk, sector, 512, size - 512));
	FAILS(ftruncate(disk, 0), EINVAL, "a disk cannot be cut");
}

static void read_only(const char *path)
{
	static char before[4096], after[4096];
	int disk, writable, is_read_only = 0;

	MUST(disk = open(path, O_RDONLY | O_CLOEXEC));
	OK(ioctl(disk, BLKROGET, &is_read_only) == 0 && is_read_only == 1, "it says that it is not to be written");
	OK(pread(disk, before, sizeof before, 0) == sizeof before, "it can be read");
	writable = open(path, O_RDWR | O_CLOEXEC);
	if (writable == -1)
		OK(errno == EACCES || errno == EPERM || errno == EROFS, "it cannot be opened for writing");
	else
		FAILS(pwrite(writable, "hello", 5, 0), EPERM, "it cannot be written");
	OK(pread(disk, after, sizeof after, 0) == sizeof after && !memcmp(before, after, sizeof after), "it has not changed");
	close(writable);
	close(disk);
}

static void rounds(const char *path, int count)
{
	static uint8_t block[65536], back[65536];
	int disk;

	MUST(disk = open(path, O_RDWR | O_CLOEXEC));
	for (int round = 1; round <= count; round++) {
		int whole = 1;

		for (long offset = 0; offset < MIB; offset += sizeof block) {
			memset(block, round + offset / sizeof block, sizeof block);
			whole &= pwrite(disk, block, sizeof block, offset) == sizeof block;
		}
		whole &= fsync(disk) == 0;
		for (long offset = 0; offset < MIB; offset += sizeof block) {
			memset(block, round + offset / sizeof block, sizeof block);
			whole &= pread(disk, back, sizeof back, offset) == sizeof back && !memcmp(block, back, sizeof back);
		}
		OK(whole, "what is written comes back");
		printf("# round %d\n", round);
		fflush(stdout);
		sleep_ms(50);
	}
	close(disk);
}

/* Whether a sector at the beginning can be written and synced, and comes back. */
static int works(int disk, int value)
{
	uint8_t sector[512], back[512];

	memset(sector, value, sizeof sector);
	return pwrite(disk, sector, sizeof sector, 0) == sizeof sector && fsync(disk) == 0 &&
	       pread(disk, back, sizeof back, 0) == sizeof back && !memcmp(sector, back, sizeof back);
}

static void plug(const char *path)
{
	int disk, tries = 0;

	MUST(disk = open(path, O_RDWR | O_CLOEXEC));
	OK(works(disk, 1), "it works");
	printf("# to be unplugged\n");
	fflush(stdout);
	while (works(disk, 2) && ++tries < 600)
		sleep_ms(100);
	OK(!works(disk, 3) && errno == EIO, "unplugged it gives errors");
	printf("# to be plugged in\n");
	fflush(stdout);
	for (tries = 0; !works(disk, 4) && tries < 600; tries++)
		sleep_ms(100);
	OK(works(disk, 5), "plugged in again it works");
	close(disk);
}

/* What there is no room for is an error, and nothing else of the disk is touched by it. */
static void full(const char *path)
{
	static uint8_t block[65536], back[65536];
	long written = 0, refused = 0;
	int disk, whole = 1;

	MUST(disk = open(path, O_RDWR | O_CLOEXEC));
	memset(block, 1, sizeof block);
	for (long offset = 0; offset < MIB; offset += sizeof block) {
		errno = 0;
		if (pwrite(disk, block, sizeof block, offset) == sizeof block && fsync(disk) == 0)
			written++;
		else if (errno == EIO || errno == ENOSPC || errno == 0)
			refused++;
	}
	OK(written > 0 && refused > 0 && written + refused == MIB / (long)sizeof block, "some of it is written, the rest an error");
	for (long i = 0; i < written; i++)
		whole &= pread(disk, back, sizeof back, i * sizeof back) == sizeof back && !memcmp(block, back, sizeof back);
	OK(whole, "what was written comes back");
	memset(block, 2, sizeof block);
	OK(pwrite(disk, block, sizeof block, 0) == sizeof block && fsync(disk) == 0 && pread(disk, back, sizeof back, 0) == sizeof back &&
		   !memcmp(block, back, sizeof back),
	   "where there is room it can be written again");
	close(disk);
}

int main(int count, char **arguments)
{
	struct stat state;
	int disk;
	long size;

	if (count == 3 && !strcmp(arguments[2], "ro")) {
		read_only(arguments[1]);
		return tap_done();
	}
	if (count == 3 && !strcmp(arguments[2], "plug")) {
		plug(arguments[1]);
		return tap_done();
	}
	if (count == 3 && !strcmp(arguments[2], "full")) {
		full(arguments[1]);
		return tap_done();
	}
	if (count == 3 && atoi(arguments[2]) > 0) {
		rounds(arguments[1], atoi(arguments[2]));
		return tap_done();
	}
	if (count != 2) {
		fprintf(stderr, "usage: block DEVICE [ro | plug | full | ROUNDS]\n");
		return 2;
	}
	MUST(disk = open(arguments[1], O_RDWR | O_CLOEXEC));
	MUST(fstat(disk, &state));
	int special = S_ISBLK(state.st_mode);
	OK(special || S_ISREG(state.st_mode), "it is a disk or stands for one");
	MUST(size = lseek(disk, 0, SEEK_END));
	sizes(disk, special, size);
	contents(disk, size);
	discard(disk, special, size);
	limits(arguments[1], disk, special, size);
	OK(close(disk) == 0, "it can be closed");
	return tap_done();
}
