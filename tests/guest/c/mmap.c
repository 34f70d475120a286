/* Memory: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2), brk(2). */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096L

static int probe[2];

/* Whether the system can read or write a byte at the address; what the program can, it can too. */
static int readable(void *address)
{
	char byte;

	if (write(probe[1], address, 1) != 1)
		return 0;
	MUST(read(probe[0], &byte, 1));
	return 1;
}

static int writable(void *address)
{
	char byte;

	MUST(write(probe[1], "x", 1));
	if (read(probe[0], address, 1) == 1)
		return 1;
	MUST(read(probe[0], &byte, 1));
	return 0;
}

static char *map(void *where, long size, int protection, int flags)
{
	return mmap(where, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void anonymous(void)
{
	char *memory = map(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, 0);
	int zero = 1;

	OK(memory != MAP_FAILED && (intptr_t)memory % PAGE == 0, "memory can be mapped");
	for (long i = 0; i < 16 * PAGE; i++)
		zero &= memory[i] == 0;
	OK(zero, "it is zero");
	memset(memory, 1, 16 * PAGE);
	OK(munmap(memory + 4 * PAGE, 4 * PAGE) == 0, "its middle can be unmapped");
	OK(readable(memory + 4 * PAGE - 1) && !readable(memory + 4 * PAGE) && !readable(memory + 8 * PAGE - 1) &&
		   readable(memory + 8 * PAGE),
	   "and exactly that is gone");
	OK(munmap(memory + 4 * PAGE, 4 * PAGE) == 0, "unmapping nothing is no error");
	OK(mprotect(memory, PAGE, PROT_READ) == 0 && readable(memory) && !writable(memory), "a page can be made read-only");
	OK(writable(memory + PAGE), "its neighbour is not");
	OK(mprotect(memory, PAGE, PROT_NONE) == 0 && !readable(memory), "or inaccessible");
	OK(mprotect(memory, PAGE, PROT_READ | PROT_WRITE) == 0 && memory[0] == 1, "and keeps its content");
	FAILS(mprotect(memory, 16 * PAGE, PROT_READ), ENOMEM, "protection needs memory all through");
	FAILS(syscall(SYS_mprotect, memory + 1, PAGE, PROT_READ), EINVAL, "and begins on a page");
	munmap(memory, 16 * PAGE);
	OK(!readable(memory), "all of it can be unmapped");
}

static void fixed(void)
{
	char *memory = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0);

	memset(memory, 1, 4 * PAGE);
	OK(map(memory + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED) == memory + PAGE, "a place can be chosen");
	OK(memory[PAGE] == 0 && memory[0] == 1 && memory[2 * PAGE] == 1, "what was there is replaced, and no more");
	FAILS((intptr_t)map(memory + PAGE, PAGE, PROT_READ, MAP_FIXED_NOREPLACE), EEXIST, "unless that is not wanted");
	munmap(memory + 3 * PAGE, PAGE);
	OK(map(memory + 3 * PAGE, PAGE, PROT_READ, MAP_FIXED_NOREPLACE) == memory + 3 * PAGE, "what is free can be had");
	FAILS((intptr_t)map(memory + 1, PAGE, PROT_READ, MAP_FIXED), EINVAL, "a place begins on a page");
	munmap(memory, 4 * PAGE);
	OK(map(memory, PAGE, PROT_READ, 0) == memory, "a free place that is only proposed is taken");
	munmap(memory, PAGE);
	FAILS((intptr_t)map(NULL, 0, PROT_READ, 0), EINVAL, "nothing cannot be mapped");
	FAILS((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL, "neither shared nor private is refused");
	FAILS((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF, "a file must be open");
	FAILS((intptr_t)map(NULL, 1L << 47, PROT_READ, 0), ENOMEM, "more than there are addresses is refused");
	FAILS(munmap((void *)1, PAGE), EINVAL, "unmapping begins on a page");
}

static void reserved(void)
{
	long size = 64L << 30;
	char *memory = map(NULL, size, PROT_NONE, MAP_NORESERVE);

	OK(memory != MAP_FAILED, "64 GiB of addresses can be reserved");
	OK(!readable(memory), "without being memory");
	OK(mprotect(memory + size / 2, 4 * PAGE, PROT_READ | PROT_WRITE) == 0, "some of it can be made memory");
	memory[size / 2] = 1;
	OK(memory[size / 2] == 1 && memory[size / 2 + PAGE] == 0, "which works");
	OK(munmap(memory, size) == 0, "all of it can be given back");
}

static void advice(void)
{
	char *memory = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0);

	memset(memory, 1, 4 * PAGE);
	OK(madvise(memory + PAGE, PAGE, MADV_DONTNEED) == 0, "a page can be given up");
	OK(memory[PAGE] == 0 && memory[0] == 1 && memory[2 * PAGE] == 1, "it is zero then, and its neighbours are not");
	FAILS(madvise(memory + 1, PAGE, MADV_DONTNEED), EINVAL, "advice begins on a page");
	munmap(memory, 4 * PAGE);
	FAILS(madvise(memory, PAGE, MADV_DONTNEED), ENOMEM, "and needs memory");
}

static void moved(void)
{
	char *memory = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0), *larger, *smaller;

	memset(memory, 1, 4 * PAGE);
	larger = mremap(memory, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	OK(larger != MAP_FAILED && larger[4 * PAGE - 1] == 1 && larger[4 * PAGE] == 0 && larger[64 * PAGE - 1] == 0,
	   "memory grows, by moving if it must");
	smaller = mremap(larger, 64 * PAGE, PAGE, 0);
	OK(smaller == larger && smaller[0] == 1 && !readable(smaller + PAGE), "and shrinks in place");
	MUST(map(smaller + PAGE, PAGE, PROT_NONE, MAP_FIXED));
	FAILS((intptr_t)mremap(smaller, PAGE, 2 * PAGE, 0), ENOMEM, "in place it cannot grow over its neighbour");
	FAILS(syscall(SYS_mremap, smaller, PAGE, SIZE_MAX, MREMAP_MAYMOVE, 0), EINVAL, "nor so far that its length begins anew");
	munmap(smaller, 2 * PAGE);
	FAILS((intptr_t)mremap(smaller, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT, "what is not mapped cannot grow");
}

static void files(const char *program)
{
	int file = open(program, O_RDONLY);
	char head[PAGE], *mapped;

	MUST(file);
	MUST(pread(file, head, PAGE, 0));
	mapped = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	OK(mapped != MAP_FAILED && !memcmp(mapped, head, PAGE), "a file can be mapped");
	mapped[0] = 'x';
	OK(pread(file, head, 1, 0) == 1 && head[0] == 0x7f, "a private change does not reach it");
	OK(close(file) == 0 && mapped[1] == 'E', "the mapping outlives the descriptor");
	munmap(mapped, 2 * PAGE);

	MUST(file = open("/tmp/mmap-test", O_RDWR | O_CREAT | O_TRUNC, 0600));
	MUST(write(file, "0123456789", 10));
	mapped = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	OK(mapped != MAP_FAILED && !memcmp(mapped, "0123456789\0\0", 12), "behind its end a file is zero");
	munmap(mapped, PAGE);
	FAILS((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 1), EINVAL, "an offset is a multiple of a page");
	close(file);
	MUST(file = open("/tmp/mmap-test", O_WRONLY));
	FAILS((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0), EACCES, "what cannot be read cannot be mapped");
	close(file);
	unlink("/tmp/mmap-test");
	MUST(file = open("/", O_RDONLY | O_DIRECTORY));
	FAILS((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0), ENODEV, "a directory cannot be mapped");
	close(file);
}

static char *share(int file, int protection)
{
	return mmap(NULL, 2 * PAGE, protection, MAP_SHARED, file, 0);
}

/* memfd_create(2): seals against writing hold for mappings, too. */
static void seals(void)
{
	int file = memfd_create("sealed", MFD_ALLOW_SEALING), reader;
	char path[64], *memory, *private, *late;

	MUST(file);
	MUST(ftruncate(file, 2 * PAGE));
	memory = share(file, PROT_READ | PROT_WRITE);
	memory[0] = 'a';
	FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "what is mapped to be written is not sealed");
	MUST(munmap(memory, PAGE));
	FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "nor what still is in part");
	MUST(mprotect(memory + PAGE, PAGE, PROT_READ));
	FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "or may be again");
	MUST(mremap(memory + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory));
	FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "or has been moved");
	MUST(munmap(memory, PAGE));
	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	OK(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0, "without such a mapping it is");
	private[0] = 'b';
	FAILS((intptr_t)share(file, PROT_READ | PROT_WRITE), EPERM, "then it is not mapped to be written");
	FAILS((intptr_t)share(file, PROT_WRITE), EPERM, "in no way");
	memory = share(file, PROT_READ);
	OK(memory == MAP_FAILED ? errno == EPERM : memory[0] == 'a' && mprotect(memory, PAGE, PROT_READ | PROT_WRITE) && errno == EACCES,
	   "and never becomes writable (Linux before 6.7 does not map it at all)");
	FAILS(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM, "nor are holes made in it");
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	MUST(reader = open(path, O_RDONLY));
	FAILS(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW), EPERM, "whoever may not write may not seal");
	OK(fcntl(reader, F_GET_SEALS) == F_SEAL_WRITE, "but see");
	close(reader);
	close(file);

	MUST(file = memfd_create("sealed", MFD_ALLOW_SEALING));
	MUST(ftruncate(file, 2 * PAGE));
	memory = share(file, PROT_READ | PROT_WRITE);
	OK(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0, "a seal against new writing leaves what is mapped alone");
	memory[0] = 'c';
	OK(mprotect(memory, PAGE, PROT_READ) == 0 && mprotect(memory, PAGE, PROT_READ | PROT_WRITE) == 0, "it can be written");
	FAILS((intptr_t)share(file, PROT_READ | PROT_WRITE), EPERM, "but not mapped so again");
	late = share(file, PROT_READ);
	OK(late != MAP_FAILED && late[0] == 'c', "to read it is");
	FAILS(mprotect(late, PAGE, PROT_READ | PROT_WRITE), EACCES, "and never to write");
	FAILS(write(file, "x", 1), EPERM, "nor does write(2)");
	FAILS(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM, "or a hole");
	munmap(memory, 2 * PAGE);
	munmap(late, 2 * PAGE);
	munmap(private, PAGE);
	close(file);

	MUST(file = memfd_create("plain", 0));
	FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EPERM, "a memory file that was not made for it takes no seals");
	close(file);
}

static void heap(void)
{
	char *end = sbrk(0), *memory[64];
	int whole = 1;

	/* musl's sbrk only tells; glibc's also moves. The system call is the same for both. */
	OK(end != (void *)-1, "the data segment has an end");
	for (int i = 0; i < 64; i++) {
		memory[i] = malloc(100000 + i);
		memset(memory[i], i, 100000 + i);
	}
	for (int i = 0; i < 64; i++) {
		whole &= memory[i][0] == i && memory[i][100000 + i - 1] == i;
		memory[i] = realloc(memory[i], 300000);
		whole &= memory[i][100000] == i || i == 0;
		free(memory[i]);
	}
	OK(whole, "the heap keeps what it is given");
}

static void round_trips(void)
{
	int whole = 1;

	for (int i = 0; i < 2000; i++) {
		char *memory = map(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, 0);

		whole &= memory != MAP_FAILED && memory[5 * PAGE] == 0;
		memset(memory, 1, 8 * PAGE);
		munmap(memory, 8 * PAGE);
	}
	OK(whole, "64 MiB in 2000 pieces come, go, and come back zero");
	OK(!readable(NULL) && !readable((void *)PAGE), "address 0 is never mapped");
	FAILS(write(probe[1], (void *)-PAGE, 1), EFAULT, "the kernel's addresses are not the program's");
}

int main(int count, char **arguments)
{
	MUST(count);
	MUST(pipe(probe));
	anonymous();
	fixed();
	reserved();
	advice();
	moved();
	files(arguments[0]);
	seals();
	heap();
	round_trips();
	return tap_done();
}
