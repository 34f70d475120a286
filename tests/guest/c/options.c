/* Options of sockets: socket(7), ip(7), tcp(7), as servers set and ask for them. */
#define _GNU_SOURCE
#include "loopback.h"
#include "tap.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

static int set(int socket, int level, int name, int value)
{
	return setsockopt(socket, level, name, &value, sizeof value);
}

/* An option's value; -1000 if there is none. */
static int get(int socket, int level, int name)
{
	int value = -1000;
	socklen_t size = sizeof value;

	return getsockopt(socket, level, name, &value, &size) == 0 && size == sizeof value ? value : -1000;
}

/* Whether an option is `got` after it was set to `given`. */
static int keeps(int socket, int level, int name, int given, int got)
{
	return set(socket, level, name, given) == 0 && get(socket, level, name) == got;
}

static void of_every_kind(int family, int kind)
{
	const int switches[] = { SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE };
	int one = socket(family, kind, 0), all = 1;
	struct timeval time = { 1, 500000 };
	struct linger linger = { 1, 7 };
	socklen_t size;

	MUST(one);
	printf("# family %d, kind %d\n", family, kind);
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		all &= get(one, SOL_SOCKET, switches[i]) == 0 && keeps(one, SOL_SOCKET, switches[i], 77, 1) &&
		       keeps(one, SOL_SOCKET, switches[i], 0, 0);
	OK(all, "what is on or off is off at first, and kept");
	OK(get(one, SOL_SOCKET, SO_TYPE) == kind && get(one, SOL_SOCKET, SO_DOMAIN) == family, "a socket knows what it is");
	int protocol = family == AF_UNIX ? 0 : kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	OK(get(one, SOL_SOCKET, SO_PROTOCOL) == protocol && get(one, SOL_SOCKET, SO_ACCEPTCONN) == 0, "and what it is not");
	OK(get(one, SOL_SOCKET, SO_ERROR) == 0 && get(one, SOL_SOCKET, SO_SNDLOWAT) == 1, "there is no error");
	OK(keeps(one, SOL_SOCKET, SO_SNDBUF, 20000, 40000) && keeps(one, SOL_SOCKET, SO_RCVBUF, 20000, 40000),
	   "buffers are twice what is asked for");
	OK(keeps(one, SOL_SOCKET, SO_SNDBUF, 1, 4608) && keeps(one, SOL_SOCKET, SO_RCVBUF, 1, 2304), "and have a least size");
	OK(set(one, SOL_SOCKET, SO_SNDBUF, 1 << 30) == 0 && get(one, SOL_SOCKET, SO_SNDBUF) >= 2 * 212992 &&
		   get(one, SOL_SOCKET, SO_SNDBUF) < 1 << 30,
	   "and a largest one");
	OK(keeps(one, SOL_SOCKET, SO_RCVLOWAT, 0, 1) && keeps(one, SOL_SOCKET, SO_RCVLOWAT, 100, 100), "SO_RCVLOWAT is at least one");
	OK(setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0, "there are time-outs");
	memset(&time, 0, size = sizeof time);
	OK(getsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &time, &size) == 0 && size == sizeof time && time.tv_sec == 1 &&
		   time.tv_usec == 500000,
	   "which are kept");
	time.tv_usec = 1000000;
	FAILS(setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), EDOM, "a second has a million microseconds");
	OK(setsockopt(one, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "lingering");
	memset(&linger, 0, size = sizeof linger);
	OK(getsockopt(one, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && size == sizeof linger && linger.l_onoff == 1 &&
		   linger.l_linger == 7,
	   "is kept");
	FAILS(set(one, SOL_SOCKET, SO_LINGER, 1), EINVAL, "but not half of it");
	FAILS(setsockopt(one, SOL_SOCKET, SO_KEEPALIVE, &(char){ 1 }, 1), EINVAL, "a byte is too little");
	FAILS(set(one, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT, "what a socket is cannot be set");
	FAILS(set(one, SOL_SOCKET, 9999, 1), ENOPROTOOPT, "there is no option 9999 to be set");
	int value[2] = { 0, 0x55555555 };
	FAILS(getsockopt(one, SOL_SOCKET, 9999, value, &size), ENOPROTOOPT, "nor to be asked for");
	size = 2;
	MUST(set(one, SOL_SOCKET, SO_RCVLOWAT, 0x123));
	value[0] = -1;
	OK(getsockopt(one, SOL_SOCKET, SO_RCVLOWAT, value, &size) == 0 && size == 2 && value[0] == (int)0xffff0123,
	   "as much is told as there is room for");
	size = sizeof value;
	OK(getsockopt(one, SOL_SOCKET, SO_RCVLOWAT, value, &size) == 0 && size == 4 && value[1] == 0x55555555, "and no more");
	size = -1;
	FAILS(getsockopt(one, SOL_SOCKET, SO_RCVLOWAT, value, &size), EINVAL, "there is no room of less than nothing");
	size = sizeof value;
	FAILS(getsockopt(one, SOL_SOCKET, SO_RCVLOWAT, (void *)8, &size), EFAULT, "a bad pointer is refused");
	FAILS(setsockopt(one, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4), EFAULT, "in both directions");
	close(one);
}

static void of_ip(int kind)
{
	int one = socket(AF_INET, kind, 0);
	unsigned char byte = 0x28;
	socklen_t size = 1;

	MUST(one);
	printf("# kind %d\n", kind);
	OK(get(one, IPPROTO_IP, IP_TTL) == 64 && keeps(one, IPPROTO_IP, IP_TTL, 3, 3) && keeps(one, IPPROTO_IP, IP_TTL, -1, 64),
	   "packets live for a while");
	FAILS(set(one, IPPROTO_IP, IP_TTL, 0), EINVAL, "which is not nothing");
	FAILS(set(one, IPPROTO_IP, IP_TTL, 256), EINVAL, "nor too long");
	OK(setsockopt(one, IPPROTO_IP, IP_TOS, &byte, 1) == 0 && get(one, IPPROTO_IP, IP_TOS) == 0x28, "a byte will do");
	byte = 0;
	OK(getsockopt(one, IPPROTO_IP, IP_TOS, &byte, &size) == 0 && size == 1 && byte == 0x28, "in both directions");
	OK(get(one, IPPROTO_IP, IP_MTU_DISCOVER) == IP_PMTUDISC_WANT &&
		   keeps(one, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DO),
	   "how packets are cut can be said");
	FAILS(set(one, IPPROTO_IP, IP_MTU_DISCOVER, 6), EINVAL, "in six ways");
	const int switches[] = { IP_RECVERR, IP_FREEBIND, IP_BIND_ADDRESS_NO_PORT };
	int all = 1;
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		all &= get(one, IPPROTO_IP, switches[i]) == 0 && keeps(one, IPPROTO_IP, switches[i], 1, 1) &&
		       keeps(one, IPPROTO_IP, switches[i], 0, 0);
	OK(all, "what is on or off is off at first, and kept");
	FAILS(get(one, IPPROTO_IP, IP_MTU) == -1000 ? -1 : 0, ENOTCONN, "the way to nobody has no size");
	FAILS(set(one, IPPROTO_IP, 9999, 1), ENOPROTOOPT, "there is no option 9999");
	FAILS(set(one, 9999, 1, 1), ENOPROTOOPT, "and no level");
	close(one);
}

static void of_tcp(void)
{
	int listener = listening(8), one = socket(AF_INET, SOCK_STREAM, 0);
	char name[32] = { 0 };
	socklen_t size = sizeof name;

	MUST(one);
	OK(keeps(one, IPPROTO_TCP, TCP_NODELAY, 5, 1) && keeps(one, IPPROTO_TCP, TCP_CORK, 1, 1) &&
		   keeps(one, IPPROTO_TCP, TCP_CORK, 0, 0),
	   "switches");
	OK(keeps(one, IPPROTO_TCP, TCP_KEEPIDLE, 30, 30) && keeps(one, IPPROTO_TCP, TCP_KEEPINTVL, 5, 5) &&
		   keeps(one, IPPROTO_TCP, TCP_KEEPCNT, 3, 3),
	   "when a silent peer is asked");
	FAILS(set(one, IPPROTO_TCP, TCP_KEEPCNT, 128), EINVAL, "not too often");
	OK(get(one, IPPROTO_TCP, TCP_SYNCNT) == 6 && keeps(one, IPPROTO_TCP, TCP_SYNCNT, 2, 2), "how often a handshake is repeated");
	OK(get(one, IPPROTO_TCP, TCP_LINGER2) == 60 && keeps(one, IPPROTO_TCP, TCP_LINGER2, 10, 10) &&
		   keeps(one, IPPROTO_TCP, TCP_LINGER2, -5, -1),
	   "how long its end is waited for");
	OK(keeps(one, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30, 31) && keeps(one, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 0),
	   "how long a connection without data is kept back");
	OK(keeps(one, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000, 5000), "how long nothing may be acknowledged");
	FAILS(set(one, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), EINVAL, "not less than nothing");
	OK(keeps(one, IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0), "which is as usual");
	OK(keeps(one, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384, 16384), "how much waits to be sent");
	OK(get(one, IPPROTO_TCP, TCP_MAXSEG) == 536 && keeps(one, IPPROTO_TCP, TCP_MAXSEG, 1000, 1000), "how large segments are");
	FAILS(set(one, IPPROTO_TCP, TCP_MAXSEG, 50), EINVAL, "not too small");
	OK(get(one, IPPROTO_TCP, TCP_QUICKACK) == 1, "acknowledgments are quick at first");
	OK(set(one, IPPROTO_TCP, TCP_FASTOPEN, 5) == 0, "data may come with the handshake");
	OK(getsockopt(one, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0 && size == 16 && strlen(name) > 2, "congestion control has a name");
	FAILS(setsockopt(one, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7), ENOENT, "which is known");
	OK(setsockopt(one, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0, "reno is");
	FAILS(setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &(char){ 1 }, 1), EINVAL, "a byte is too little");
	MUST(connect(one, (void *)&address, sizeof address));
	OK(get(one, IPPROTO_TCP, TCP_MAXSEG) <= 1000, "segments are as small as was said");
	OK(get(one, IPPROTO_IP, IP_MTU) >= 1500, "the way to a peer has a size");
	FAILS(set(one, IPPROTO_TCP, TCP_FASTOPEN, 5), EINVAL, "a connection has had its handshake");
	FAILS(send(one, "x", 1, MSG_FASTOPEN), EISCONN, "so it does not open again");
	FAILS(sendto(one, "x", 1, MSG_FASTOPEN, (void *)&address, sizeof address), EISCONN, "to whomever");
	close(one);
	close(accept(listener, NULL, NULL));
	MUST(one = socket(AF_INET, SOCK_STREAM, 0));
	FAILS(send(one, "x", 1, MSG_FASTOPEN), EINVAL, "nor to nobody");
	OK(sendto(one, "fast", 4, MSG_FASTOPEN, (void *)&address, sizeof address) == 4, "a new socket opens when it sends");
	int two = accept(listener, NULL, NULL);
	char buffer[8];
	OK(recv(two, buffer, 8, 0) == 4, "and the data arrives");
	close(one);
	close(two);
	close(listener);
}

static void inherited(void)
{
	int listener = listening(8);
	struct timeval time = { 3, 0 };
	socklen_t size = sizeof time;

	MUST(set(listener, SOL_SOCKET, SO_KEEPALIVE, 1));
	MUST(set(listener, SOL_SOCKET, SO_RCVBUF, 10000));
	MUST(set(listener, IPPROTO_TCP, TCP_NODELAY, 1));
	MUST(set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 33));
	MUST(setsockopt(listener, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
	int one = connected(), two = accept(listener, NULL, NULL);
	OK(get(two, SOL_SOCKET, SO_KEEPALIVE) == 1 && get(two, IPPROTO_TCP, TCP_NODELAY) == 1 &&
		   get(two, IPPROTO_TCP, TCP_KEEPIDLE) == 33 && get(two, SOL_SOCKET, SO_RCVBUF) == 20000,
	   "a connection has the options of its listener");
	time.tv_sec = 0;
	OK(getsockopt(two, SOL_SOCKET, SO_SNDTIMEO, &time, &size) == 0 && time.tv_sec == 3, "time-outs, too");
	OK(get(one, SOL_SOCKET, SO_KEEPALIVE) == 0, "the other end has its own");
	close(one);
	close(two);
	close(listener);
}

static void low_water(void)
{
	int listener = listening(8), one = connected(), two = accept(listener, NULL, NULL);
	char buffer[64];

	MUST(set(two, SOL_SOCKET, SO_RCVLOWAT, 10));
	MUST(send(one, "12345", 5, 0));
	sleep_ms(100);
	OK(events(two, POLLIN, 0) == 0, "a few bytes do not make a socket readable");
	OK(recv(two, buffer, 64, MSG_DONTWAIT | MSG_PEEK) == 5, "though they can be read");
	MUST(send(one, "67890", 5, 0));
	OK(events(two, POLLIN, LATE_MS) == POLLIN, "enough bytes do");
	OK(recv(two, buffer, 64, 0) == 10, "and are read at once");
	struct timeval short_time = { 0, 100000 };
	MUST(setsockopt(two, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time));
	MUST(send(one, "abc", 3, 0));
	sleep_ms(50);
	int64_t start = now_ms();
	OK(recv(two, buffer, 64, 0) == 3 && now_ms() - start >= 99, "who waits for more gets what there is in the end");
	MUST(send(one, "def", 3, 0));
	close(one);
	OK(events(two, POLLIN, LATE_MS) & POLLIN, "what comes last does, too");
	OK(recv(two, buffer, 64, 0) == 3, "and is read without waiting");
	close(two);
	close(listener);
}

static void deferred(void)
{
	int listener = listening(8);
	char byte;

	MUST(set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 100));
	int one = connected();
	OK(events(listener, POLLIN, 300) == 0, "a connection without data is kept back");
	MUST(send(one, "x", 1, 0));
	OK(events(listener, POLLIN, LATE_MS) == POLLIN, "with data it can be accepted");
	int two = accept(listener, NULL, NULL);
	OK(recv(two, &byte, 1, MSG_DONTWAIT) == 1, "and the data is there");
	close(one);
	close(two);
	close(listener);
}

static void late_ports(void)
{
	struct sockaddr_in self = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	int listener = listening(8), one = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof self;

	MUST(set(one, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	MUST(bind(one, (void *)&self, sizeof self));
	OK(getsockname(one, (void *)&self, &size) == 0 && self.sin_port == 0 && self.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "a port can be chosen late");
	MUST(connect(one, (void *)&address, sizeof address));
	OK(getsockname(one, (void *)&self, &size) == 0 && self.sin_port != 0, "when the peer is known");
	close(one);
	close(accept(listener, NULL, NULL));
	close(listener);
	MUST(one = socket(AF_INET, SOCK_STREAM, 0));
	self.sin_addr.s_addr = htonl(0xc0000201);
	FAILS(bind(one, (void *)&self, sizeof self), EADDRNOTAVAIL, "a foreign address cannot be had");
	MUST(set(one, IPPROTO_IP, IP_FREEBIND, 1));
	OK(bind(one, (void *)&self, sizeof self) == 0, "unless one insists");
	close(one);
}

static void whole_datagrams(void)
{
	static char block[60000];
	struct sockaddr_in self = { AF_INET, htons(9), { htonl(INADDR_LOOPBACK) }, { 0 } };
	int one = socket(AF_INET, SOCK_DGRAM, 0);

	MUST(set(one, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	MUST(connect(one, (void *)&self, sizeof self));
	int mtu = get(one, IPPROTO_IP, IP_MTU);
	OK(mtu > 0 && send(one, block, mtu - 28 < 60000 ? mtu - 28 : 60000, 0) > 0, "a datagram that fits goes whole");
	close(one);
}

int main(void)
{
	of_every_kind(AF_INET, SOCK_STREAM);
	of_every_kind(AF_INET, SOCK_DGRAM);
	of_every_kind(AF_UNIX, SOCK_STREAM);
	of_every_kind(AF_UNIX, SOCK_DGRAM);
	of_ip(SOCK_STREAM);
	of_ip(SOCK_DGRAM);
	of_tcp();
	inherited();
	low_water();
	deferred();
	late_ports();
	whole_datagrams();
	return tap_done();
}
