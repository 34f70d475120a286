/* mount(2) and umount2(2) of file systems in memory: what lies where, under which rules, and who is in the way. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char folder[] = "/tmp/mounts-test-XXXXXX";

/* A kernel of one tree, which is ours alone; elsewhere it is a copy for this process. */
static int alone;

static void put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);

	MUST(file);
	MUST(write(file, text, strlen(text)));
	close(file);
}

/* Makes the tree of mounts ours. Whether it can be. */
static int separate(void)
{
	char users[64], groups[64];

	snprintf(users, sizeof users, "0 %d 1", (int)geteuid());
	snprintf(groups, sizeof groups, "0 %d 1", (int)getegid());
	if (unshare(CLONE_NEWNS) == -1) {
		alone = errno == ENOSYS;
		if (alone)
			return 1;
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
			return 0;
		put("/proc/self/uid_map", users);
		put("/proc/self/setgroups", "deny");
		put("/proc/self/gid_map", groups);
	}
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int create(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT, 0644);

	MUST(file);
	MUST(write(file, "abc", 3));
	return file;
}

static int exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Whether a file of /proc has a line with both. */
static int tells(const char *path, const char *one, const char *other)
{
	char line[1024];
	FILE *file = fopen(path, "r");
	int found = 0;

	while (file && fgets(line, sizeof line, file))
		found |= strstr(line, one) && strstr(line, other);
	if (file)
		fclose(file);
	return found;
}

static int is_same(const char *one, const char *other)
{
	struct stat first, second;

	return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static void limits(void)
{
	static char piece[64 * 1024];
	char path[256];
	struct stat before, after;
	struct statvfs told;
	int file, done = 0;

	MUST(mkdir("a", 0755));
	MUST(stat("a", &before));
	OK(mount("memory", "a", "tmpfs", 0, "size=256k,mode=0700") == 0, "a file system in memory is mounted");
	OK(stat("a", &after) == 0 && after.st_dev != before.st_dev && (after.st_mode & 07777) == 0700, "it has a number and permissions of its own");
	OK(statvfs("a", &told) == 0 && told.f_blocks * told.f_frsize == 256 * 1024, "and a size");
	file = create("a/file");
	while (write(file, piece, sizeof piece) == sizeof piece)
		done++;
	OK(done == 3 && write(file, piece, 1) == -1 && errno == ENOSPC, "which it does not exceed");
	close(file);
	snprintf(path, sizeof path, " %s/a ", folder);
	OK(tells("/proc/mounts", path, "memory ") && tells("/proc/mounts", path, "size=256k") && tells("/proc/mounts", path, " tmpfs "),
	   "/proc/mounts tells of it");
	OK(tells("/proc/self/mountinfo", path, " - tmpfs memory "), "and so does /proc/self/mountinfo");
	OK(mount("memory", "a", "tmpfs", MS_REMOUNT, "size=1m") == 0 && statvfs("a", &told) == 0 && told.f_blocks * told.f_frsize == 1 << 20,
	   "it can be made larger");
	FAILS(mount("memory", "a", "tmpfs", MS_REMOUNT, "size=4k"), EINVAL, "but not smaller than what is in it");
	MUST(umount("a"));
}

static void places(void)
{
	char cwd[256], expected[256];

	MUST(mount(NULL, "a", "tmpfs", 0, NULL));
	close(create("outside"));
	close(create("a/inside"));
	MUST(chdir("a"));
	snprintf(expected, sizeof expected, "%s/a", folder);
	OK(getcwd(cwd, sizeof cwd) && strcmp(cwd, expected) == 0, "the working directory is known by its path");
	OK(exists("../outside") && is_same("..", folder), ".. leads out of it");
	OK(exists("../a/../a/inside"), "and back");
	FAILS(umount2(expected, 0), EBUSY, "a working directory in it is in the way");
	MUST(chdir(".."));
	FAILS(rename("a/inside", "inside"), EXDEV, "nothing is moved out of it");
	FAILS(link("outside", "a/outside"), EXDEV, "nor linked into it");
	FAILS(rmdir("a"), EBUSY, "what is mounted on is not removed");
	FAILS(rename("a", "b"), EBUSY, "nor moved");
	OK(mount("other", "a", "tmpfs", 0, "") == 0 && !exists("a/inside"), "another one hides it");
	OK(umount("a") == 0 && exists("a/inside"), "and is taken away");
	MUST(mkdir("a/deep", 0755));
	MUST(mount("deep", "a/deep", "tmpfs", 0, NULL));
	FAILS(umount("a"), EBUSY, "what is mounted in it is in the way");
	MUST(umount("a/deep"));
	OK(umount("a") == 0 && !exists("a/inside"), "what was in it is gone with it");
	FAILS(umount("a"), EINVAL, "then there is nothing to be taken away");
	MUST(mkdir("b", 0755));
	OK(rename("b", "c") == 0 && rmdir("c") == 0, "folders that nothing is mounted on are as they were");
}

static void read_only(void)
{
	struct statvfs told;
	int file;

	MUST(mount("memory", "a", "tmpfs", MS_RDONLY | MS_NOSUID, NULL));
	FAILS(open("a/file", O_WRONLY | O_CREAT, 0644), EROFS, "nothing is made where it is read-only");
	FAILS(mkdir("a/folder", 0755), EROFS, "no folder either");
	FAILS(chmod("a", 0700), EROFS, "nor are permissions changed");
	OK(statvfs("a", &told) == 0 && (told.f_flag & (ST_RDONLY | ST_NOSUID)) == (ST_RDONLY | ST_NOSUID), "statvfs tells so");
	OK(mount("memory", "a", NULL, MS_REMOUNT, NULL) == 0, "it is made writable");
	file = create("a/file");
	FAILS(mount("memory", "a", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY, "as long as somebody writes it stays so");
	OK(write(file, "d", 1) == 1, "who does not notice");
	close(file);
	OK(mount("memory", "a", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0, "then it is made read-only");
	FAILS(open("a/file", O_RDWR), EROFS, "what is in it is not written");
	FAILS(truncate("a/file", 1), EROFS, "nor cut");
	FAILS(unlink("a/file"), EROFS, "nor removed");
	FAILS(access("a/file", W_OK), EROFS, "as access tells");
	file = open("a/file", O_RDONLY);
	OK(file != -1 && read(file, &told, 4) == 4, "but read");
	FAILS(umount("a"), EBUSY, "an open file is in the way");
	close(file);
	MUST(umount("a"));
}

static void binds(void)
{
	char cwd[256], expected[256];

	MUST(mount("memory", "a", "tmpfs", 0, NULL));
	MUST(mkdir("a/one", 0755));
	MUST(mkdir("a/one/two", 0755));
	MUST(mkdir("b", 0755));
	close(create("a/one/two/file"));
	OK(mount("a/one", "b", NULL, MS_BIND, NULL) == 0 && is_same("a/one/two/file", "b/two/file"), "a folder is shown in two places");
	MUST(chdir("b/two"));
	snprintf(expected, sizeof expected, "%s/b/two", folder);
	OK(getcwd(cwd, sizeof cwd) && strcmp(cwd, expected) == 0 && is_same("../..", folder), "with the paths of each");
	MUST(chdir("../.."));
	FAILS(rename("a/one/two/file", "b/file"), EXDEV, "nothing is moved between them");
	OK(tells("/proc/self/mountinfo", "/one ", "/b "), "mountinfo tells which folder it is");
	OK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0, "the one place is made read-only");
	FAILS(open("b/new", O_WRONLY | O_CREAT, 0644), EROFS, "nothing is made there");
	close(create("a/one/new"));
	OK(exists("b/new"), "but in the other");
	OK(umount("b") == 0 && !exists("b/new") && exists("a/one/new"), "it goes without what it showed");
	if (alone) {
		MUST(mount("/dev", "b", NULL, MS_BIND, NULL));
		OK(open("b/null", O_WRONLY) != -1, "devices are shown, too");
		FAILS(umount("b"), EBUSY, "and in the way");
		MUST(umount2("b", MNT_DETACH));
		MUST(mount("/dev", "b", NULL, MS_BIND, NULL));
		MUST(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
		FAILS(open("b/null", O_WRONLY), EACCES, "MS_NODEV shuts them");
		MUST(umount("b"));
		MUST(mount("proc", "b", "proc", 0, NULL));
		OK(exists("b/self/status") && exists("b/mounts"), "there can be more than one /proc");
		MUST(umount("b"));
	}
	MUST(rmdir("b"));
	MUST(umount("a"));
}

static void detached(void)
{
	char text[4] = "";
	int file;

	MUST(mount("memory", "a", "tmpfs", 0, NULL));
	MUST(mkdir("a/deep", 0755));
	MUST(mount("deep", "a/deep", "tmpfs", 0, NULL));
	file = create("a/deep/file");
	MUST(chdir("a"));
	OK(umount2(".", MNT_DETACH) == 0, "what is in use is detached");
	OK(pread(file, text, 3, 0) == 3 && strcmp(text, "abc") == 0, "and stays for those who use it");
	OK(is_same(".", ".."), ".. leads no further than its top");
	close(create("still here"));
	OK(exists("still here"), "where files can still be made");
	MUST(chdir(folder));
	OK(!exists("a/still here") && !exists("a/deep"), "nobody else finds it");
	FAILS(umount("a"), EINVAL, "it is no mount any more");
	close(file);
}

static void refusals(void)
{
	int file = create("file");

	close(file);
	FAILS(mount("x", "a", "no-such-type", 0, NULL), ENODEV, "a type that nobody has");
	FAILS(mount("x", "a", NULL, 0, NULL), EINVAL, "no type at all");
	FAILS(mount("x", "a", "tmpfs", 0, "colour=red"), EINVAL, "an option that there is not");
	FAILS(mount("x", "a", "tmpfs", 0, "size=large"), EINVAL, "a size that is none");
	FAILS(mount("x", "a", "tmpfs", 0, "mode=rwx"), EINVAL, "permissions that are none");
	FAILS(mount("x", "absent", "tmpfs", 0, NULL), ENOENT, "a place that there is not");
	FAILS(mount("x", "file", "tmpfs", 0, NULL), ENOTDIR, "a place that is no folder");
	FAILS(mount("absent", "a", NULL, MS_BIND, NULL), ENOENT, "a folder that is not there to be shown");
	FAILS(mount("x", "a", NULL, MS_REMOUNT, NULL), EINVAL, "a folder that nothing is mounted on is not mounted anew");
	FAILS(mount("x", (const char *)8, "tmpfs", 0, NULL), EFAULT, "a path that cannot be read");
	FAILS(umount2("a", 0), EINVAL, "a folder that nothing is mounted on");
	FAILS(umount2("absent", 0), ENOENT, "a path that there is not");
	FAILS(umount2("a", 0x1000), EINVAL, "a flag that there is not");
	MUST(symlink("a", "link"));
	MUST(mount("x", "link", "tmpfs", 0, NULL));
	FAILS(umount2("link", UMOUNT_NOFOLLOW), EINVAL, "a link, if it is not to be followed");
	OK(umount2("link", 0) == 0, "else what it leads to");
}

int main(void)
{
	if (!separate()) {
		printf("1..0 # skipped: may mount nothing here\n");
		return 0;
	}
	umask(022);
	MUST(mkdtemp(folder) ? 0 : -1);
	MUST(chdir(folder));
	limits();
	places();
	read_only();
	binds();
	detached();
	refusals();
	MUST(unlink("link"));
	MUST(unlink("file"));
	MUST(unlink("outside"));
	MUST(rmdir("a"));
	MUST(chdir("/"));
	OK(rmdir(folder) == 0, "all is as it was");
	return tap_done();
}
