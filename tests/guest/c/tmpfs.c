/* Files and directories in /tmp: what open(2), rename(2), link(2), readdir(3) and their kin do and refuse. */
#define _GNU_SOURCE
#include "tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[] = "/tmp/tmpfs-test-XXXXXX";

static int create(const char *path, const char *content)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	MUST(file);
	MUST(write(file, content, strlen(content)));
	return file;
}

static int contains(const char *path, const char *content)
{
	char buffer[256] = "";
	int file = open(path, O_RDONLY);
	ssize_t size = file == -1 ? -1 : read(file, buffer, sizeof buffer - 1);

	close(file);
	return size == (ssize_t)strlen(content) && !strcmp(buffer, content);
}

static void contents(void)
{
	char buffer[64] = "";
	struct iovec parts[2] = { { "ab", 2 }, { "cde", 3 } };
	int file = create("a", "0123456789");

	OK(lseek(file, 0, SEEK_CUR) == 10 && read(file, buffer, 1) == 0, "writing moves the position, to the end here");
	OK(lseek(file, 3, SEEK_SET) == 3 && read(file, buffer, 4) == 4 && !memcmp(buffer, "3456", 4), "reading begins at it");
	OK(lseek(file, -2, SEEK_END) == 8 && read(file, buffer, 9) == 2, "and ends at the end");
	OK(pread(file, buffer, 2, 1) == 2 && !memcmp(buffer, "12", 2) && lseek(file, 0, SEEK_CUR) == 10, "pread does not move it");
	OK(pwrite(file, "xy", 2, 4) == 2 && contains("a", "0123xy6789"), "nor does pwrite");
	FAILS(lseek(file, -1, SEEK_SET), EINVAL, "a position is not negative");
	FAILS(lseek(file, 0, 99), EINVAL, "nor relative to nonsense");
	FAILS(pread(file, buffer, 1, -1), EINVAL, "nor is pread's");
	OK(pwrite(file, "z", 1, 5000) == 1 && pread(file, buffer, 1, 3000) == 1 && buffer[0] == 0, "a hole is zero");
	OK(ftruncate(file, 3) == 0 && contains("a", "012"), "a file can be cut");
	OK(ftruncate(file, 5) == 0 && pread(file, buffer, 9, 0) == 5 && !memcmp(buffer, "012\0\0", 5), "and filled up with zeros");
	OK(pwritev(file, parts, 2, 0) == 5 && contains("a", "abcde"), "scattered bytes are written in order");
	OK(lseek(file, 0, SEEK_SET) == 0 && readv(file, parts, 0) == 0, "no parts are read as nothing");
	FAILS(read(file, (void *)8, 1), EFAULT, "a bad buffer cannot be read into");
	FAILS(write(file, (void *)8, 1), EFAULT, "nor written from");
	close(file);
	FAILS(read(file, buffer, 1), EBADF, "a closed file cannot be read");
	MUST(file = open("a", O_RDONLY));
	FAILS(write(file, "a", 1), EBADF, "what is open for reading cannot be written");
	FAILS(ftruncate(file, 0), EINVAL, "nor cut");
	close(file);
	MUST(file = open("a", O_WRONLY | O_APPEND));
	MUST(lseek(file, 0, SEEK_SET));
	OK(write(file, "fg", 2) == 2 && contains("a", "abcdefg"), "O_APPEND appends wherever the position is");
	FAILS(read(file, buffer, 1), EBADF, "what is open for writing cannot be read");
	close(file);
	MUST(file = open("a", O_RDWR | O_TRUNC));
	OK(lseek(file, 0, SEEK_END) == 0, "O_TRUNC empties");
	close(file);
}

/* sendfile(2) and copy_file_range(2). */
static void copying(void)
{
	char buffer[16];
	int ends[2], from = create("from", "0123456789"), to = create("to", ""), reader, folder, end, counter;
	off_t place = 2, there = 1, negative = -1;

	MUST(pipe(ends));
	MUST(write(ends[1], "abc", 3));
	MUST(reader = open("to", O_RDONLY));
	MUST(folder = open(".", O_RDONLY | O_DIRECTORY));
	MUST(end = open("to", O_WRONLY | O_APPEND));
	MUST(counter = eventfd(0, 0));
	OK(sendfile(to, from, &place, 3) == 3 && place == 5 && contains("to", "234"), "a part of a file is sent to another");
	OK(lseek(from, 0, SEEK_CUR) == 10 && sendfile(to, from, NULL, 5) == 0, "a given place is not the position");
	OK(sendfile(ends[1], from, &place, 100) == 5 && read(ends[0], buffer, 16) == 8 && !memcmp(buffer, "abc56789", 8), "a pipe takes it, too");
	place = 0;
	FAILS(sendfile(to, ends[0], &place, 3), ESPIPE, "a pipe has no places");
	FAILS(sendfile(end, ends[0], &place, 3), ESPIPE, "whatever it goes to");
	FAILS(sendfile(to, ends[0], NULL, 3), EINVAL, "nor is a pipe sent");
	FAILS(sendfile(to, folder, &place, 3), EINVAL, "or a directory");
	FAILS(sendfile(to, from, &negative, 3), EINVAL, "a place is not negative");
	FAILS(sendfile(end, from, &place, 3), EINVAL, "nothing is sent to an end");
	FAILS(sendfile(counter, from, &place, 8), EINVAL, "or to a counter");
	FAILS(sendfile(reader, from, &place, 3), EBADF, "or to what is read");
	FAILS(sendfile(to, ends[1], &place, 3), EBADF, "or from what is written");
	FAILS(copy_file_range(from, NULL, ends[1], NULL, 3, 0), EINVAL, "only files are copied");
	FAILS(copy_file_range(folder, NULL, to, NULL, 3, 0), EISDIR, "no directories");
	FAILS(copy_file_range(from, &negative, to, NULL, 3, 0), EOVERFLOW, "from places that there are");
	place = 4;
	OK(copy_file_range(from, &place, to, &there, 4, 0) == 4 && place == 8 && there == 5 && contains("to", "24567"), "and to there");
	close(ends[0]);
	close(ends[1]);
	close(from);
	close(to);
	close(reader);
	close(folder);
	close(end);
	close(counter);
	unlink("from");
	unlink("to");
}

static void opening(void)
{
	char name[300];

	memset(name, 'n', sizeof name);
	name[299] = 0;
	MUST(mkdir("d", 0755));
	close(create("f", "f"));
	FAILS(open("absent", O_RDONLY), ENOENT, "what is not there cannot be opened");
	FAILS(open("f", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST, "O_EXCL wants a new file");
	FAILS(open("f/x", O_RDONLY), ENOTDIR, "a file has nothing in it");
	FAILS(open("f/", O_RDONLY), ENOTDIR, "a file is no directory");
	FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR, "even if it should be");
	FAILS(open("d", O_WRONLY), EISDIR, "a directory cannot be written");
	FAILS(open("d", O_RDWR | O_CREAT, 0600), EISDIR, "nor created as a file");
	FAILS(open(name, O_RDONLY), ENAMETOOLONG, "a name has 255 bytes");
	FAILS(open("", O_RDONLY), ENOENT, "no name is no file");
	FAILS(open((char *)8, O_RDONLY), EFAULT, "a bad pointer is no name");
	FAILS(open("d/../absent/../f", O_RDONLY), ENOENT, "the way to a file must exist");
	OK(contains("./d/.././/f", "f"), "ways may be long-winded");
	int file = open("d", O_RDONLY), other;
	FAILS(read(file, name, 1), EISDIR, "a directory cannot be read like a file");
	OK((other = openat(file, "in", O_RDWR | O_CREAT, 0600)) >= 0 && contains("d/in", ""), "files can be made from a directory on");
	close(other);
	OK(unlinkat(file, "in", 0) == 0, "and removed");
	FAILS(openat(999, "in", O_RDONLY), EBADF, "from an open one");
	close(file);
	OK(rmdir("d") == 0 && unlink("f") == 0, "both can be removed");
	struct statvfs root;
	if (statvfs("/", &root) == 0 && root.f_flag & ST_RDONLY) {
		FAILS(open("/new", O_WRONLY | O_CREAT, 0600), EROFS, "a read-only root takes no new files");
		FAILS(mkdir("/new", 0700), EROFS, "nor directories");
	}
}

static void descriptors(void)
{
	int file = create("a", "abc"), twin, far;
	char byte;

	MUST(twin = dup(file));
	OK(lseek(twin, 1, SEEK_SET) == 1 && read(file, &byte, 1) == 1 && byte == 'b', "a duplicate shares the position");
	OK(dup2(file, 100) == 100 && fcntl(100, F_GETFD) == 0, "a duplicate can have a number");
	OK(dup3(file, 100, O_CLOEXEC) == 100 && fcntl(100, F_GETFD) == FD_CLOEXEC, "and be closed on exec");
	FAILS(dup3(file, file, 0), EINVAL, "dup3 wants two numbers");
	OK(dup2(file, file) == file, "dup2 does not");
	OK((far = fcntl(file, F_DUPFD_CLOEXEC, 200)) == 200, "or the first number from one on");
	OK((fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR, "the way of opening can be asked");
	OK(fcntl(file, F_SETFL, O_APPEND) == 0 && fcntl(twin, F_GETFL) & O_APPEND, "and partly changed, for duplicates too");
	FAILS(fcntl(file, 9999), EINVAL, "an unknown request is refused");
	close(file);
	close(100);
	close(far);
	OK(lseek(twin, 0, SEEK_SET) == 0, "the duplicate outlives the original");
	FAILS(close(file), EBADF, "nothing can be closed twice");
	int lowest = open("a", O_RDONLY);
	OK(lowest == file, "the lowest free number is taken");
	close(lowest);
	OK(unlink("a") == 0 && pread(twin, &byte, 1, 0) == 1, "what is open outlives its name");
	struct stat state;
	OK(fstat(twin, &state) == 0 && state.st_nlink == 0, "it has no links left");
	close(twin);
}

static void names(void)
{
	struct stat one, two;
	char target[64];

	close(create("a", "a"));
	close(create("b", "b"));
	MUST(mkdir("d", 0755));
	MUST(mkdir("e", 0755));
	OK(rename("a", "c") == 0 && contains("c", "a") && access("a", F_OK) == -1, "a file can be renamed");
	OK(rename("c", "b") == 0 && contains("b", "a"), "over another");
	OK(rename("b", "d/b") == 0 && contains("d/b", "a"), "into another directory");
	FAILS(rename("absent", "x"), ENOENT, "what is not there cannot be renamed");
	FAILS(rename("d/b", "e"), EISDIR, "a file does not replace a directory");
	FAILS(rename("e", "d/b"), ENOTDIR, "nor a directory a file");
	FAILS(rename("e", "d"), ENOTEMPTY, "nor one that is not empty");
	FAILS(rename("d", "d/x"), EINVAL, "a directory does not go into itself");
	OK(rename("d", "e") == 0 && contains("e/b", "a"), "an empty one is replaced");
	OK(link("e/b", "l") == 0 && stat("l", &one) == 0 && stat("e/b", &two) == 0 && one.st_ino == two.st_ino &&
		   one.st_nlink == 2,
	   "a file can have two names");
	FAILS(link("e/b", "l"), EEXIST, "both new");
	FAILS(link("e", "m"), EPERM, "a directory cannot");
	OK(unlink("e/b") == 0 && contains("l", "a") && stat("l", &one) == 0 && one.st_nlink == 1, "one name is enough");
	OK(symlink("l", "s") == 0 && contains("s", "a"), "a name can stand for another");
	OK(readlink("s", target, sizeof target) == 1 && target[0] == 'l', "which can be read");
	OK(lstat("s", &one) == 0 && S_ISLNK(one.st_mode) && stat("s", &two) == 0 && S_ISREG(two.st_mode), "or looked at");
	FAILS(readlink("l", target, sizeof target), EINVAL, "a file stands for itself");
	FAILS(open("s", O_RDONLY | O_NOFOLLOW), ELOOP, "it need not be followed");
	MUST(symlink("loop", "loop"));
	FAILS(open("loop", O_RDONLY), ELOOP, "nor endlessly");
	MUST(symlink("absent", "dangling"));
	FAILS(open("dangling", O_RDONLY), ENOENT, "it may stand for nothing");
	FAILS(rmdir("l"), ENOTDIR, "rmdir is for directories");
	FAILS(unlink("e"), EISDIR, "unlink is not");
	FAILS(unlink("absent"), ENOENT, "and for what is there");
	MUST(mkdir("e/f", 0700));
	FAILS(rmdir("e"), ENOTEMPTY, "a directory must be empty");
	FAILS(mkdir("e", 0700), EEXIST, "and new");
	FAILS(mkdir("absent/x", 0700), ENOENT, "and somewhere");
	OK(unlink("s") == 0 && unlink("loop") == 0 && unlink("dangling") == 0 && contains("l", "a"), "links can be removed");
	OK(rmdir("e/f") == 0 && rmdir("e") == 0 && unlink("l") == 0, "and all else");
}

static void states(void)
{
	struct stat state;
	struct timespec times[2] = { { 1000000000, 5 }, { 1000000001, 6 } };
	int file = create("a", "12345");

	OK(fstat(file, &state) == 0 && S_ISREG(state.st_mode) && state.st_size == 5 && state.st_nlink == 1, "a file has a state");
	OK((state.st_mode & 0777) == 0644, "and a mode");
	OK(labs(state.st_mtime - time(NULL)) < 10, "and times");
	OK(chmod("a", 0400) == 0 && stat("a", &state) == 0 && (state.st_mode & 0777) == 0400, "the mode can be changed");
	OK(utimensat(AT_FDCWD, "a", times, 0) == 0 && stat("a", &state) == 0 && state.st_atim.tv_sec == 1000000000 &&
		   state.st_mtim.tv_sec == 1000000001 && state.st_mtim.tv_nsec == 6,
	   "so can the times");
	OK(stat(".", &state) == 0 && S_ISDIR(state.st_mode) && state.st_nlink >= 2, "a directory has a state");
	OK(fstatat(file, "", &state, AT_EMPTY_PATH) == 0 && state.st_size == 5, "an open file needs no name");
	FAILS(syscall(SYS_newfstatat, AT_FDCWD, "a", 8, 0), EFAULT, "a bad buffer is refused");
	FAILS(fstat(999, &state), EBADF, "so is no descriptor");
	OK(access("a", R_OK) == 0 && access(".", X_OK) == 0, "access can be asked");
	OK(fsync(file) == 0 && fdatasync(file) == 0, "a file can be synced");
	struct statvfs system;
	OK(fstatvfs(file, &system) == 0 && system.f_bsize > 0, "so can the file system's state be asked");
	close(file);
	unlink("a");
}

static void directories(void)
{
	enum { COUNT = 500 };
	static char seen[COUNT];
	char name[32], where[128];
	int dots = 0, twice = 0, found = 0, number;
	struct dirent *entry;
	DIR *directory;

	MUST(mkdir("d", 0755));
	MUST(chdir("d"));
	OK(getcwd(where, sizeof where) && !strcmp(where + strlen(folder), "/d"), "the working directory has a name");
	FAILS((intptr_t)getcwd(where, 1) ? 0 : -1, ERANGE, "which needs room");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "entry-%d", i);
		close(create(name, ""));
	}
	directory = opendir(".");
	while (directory && (entry = readdir(directory))) {
		if (sscanf(entry->d_name, "entry-%d", &number) == 1 && entry->d_type == DT_REG) {
			twice |= seen[number]++;
			found++;
		} else {
			dots += !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
		}
	}
	OK(found == COUNT && !twice, "a directory lists 500 files, each once");
	OK(dots == 2, "and itself and its parent");
	rewinddir(directory);
	for (found = 0; readdir(directory);)
		found++;
	OK(found == COUNT + 2, "once more after rewinding");
	closedir(directory);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof name, "entry-%d", i);
		unlink(name);
	}
	MUST(chdir(".."));
	OK(rmdir("d") == 0, "emptied it can be removed");
}

static void large(void)
{
	static uint32_t block[16384], back[16384];
	int file = create("large", ""), whole = 1;

	for (uint32_t i = 0; i < 64; i++) {
		for (uint32_t j = 0; j < 16384; j++)
			block[j] = i * 16384 + j;
		whole &= write(file, block, sizeof block) == sizeof block;
	}
	for (uint32_t i = 63; i < 64; i--) {
		whole &= pread(file, back, sizeof back, i * (off_t)sizeof back) == sizeof back;
		whole &= back[0] == i * 16384 && back[16383] == i * 16384 + 16383;
	}
	OK(whole, "4 MiB come back as they were written");
	close(file);
	unlink("large");
	whole = 1;
	for (int i = 0; i < 40; i++) {
		file = create("large", "");
		whole &= ftruncate(file, 1 << 20) == 0 && pwrite(file, block, sizeof block, 900000) == sizeof block;
		close(file);
		unlink("large");
	}
	OK(whole, "space comes back when files go");
}

int main(void)
{
	umask(022);
	if (!mkdtemp(folder))
		MUST(-1);
	MUST(chdir(folder));
	contents();
	copying();
	opening();
	descriptors();
	names();
	states();
	directories();
	large();
	MUST(chdir("/"));
	OK(rmdir(folder) == 0, "nothing is left");
	return tap_done();
}
