/* An echo service on a link that this kernel drives itself: ARP, ICMP echo and UDP port 7 over IPv4 (RFC 826, 792, 862). */
#include "tiny.h"

#define ETHERNET 14
#define IPV4 20
#define FRAME 1514

static struct rumpuser_link *link;
static uint8_t mac[6];
/* The address that a user-mode network expects; the parameter "address" gives another one. */
static uint8_t address[4] = { 10, 0, 2, 15 };
static unsigned char frame[FRAME];

static int same(const void *one, const void *other, int length)
{
	const unsigned char *a = one, *b = other;

	while (length-- > 0)
		if (*a++ != *b++)
			return 0;
	return 1;
}

static void copy(void *to, const void *from, int length)
{
	unsigned char *a = to;
	const unsigned char *b = from;

	while (length-- > 0)
		*a++ = *b++;
}

static void swap(unsigned char *one, unsigned char *other, int length)
{
	while (length-- > 0) {
		unsigned char kept = *one;

		*one++ = *other;
		*other++ = kept;
	}
}

static unsigned get16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* The Internet checksum (RFC 1071). */
static unsigned checksum(const unsigned char *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += get16(data + i);
	if (length % 2 != 0)
		sum += (uint32_t)data[length - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Makes the answer to an ARP request in its place; its length, or 0. */
static size_t arp(unsigned char *packet, size_t length)
{
	static const unsigned char request[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	if (length < 28 || !same(packet, request, 8) || !same(packet + 24, address, 4))
		return 0;
	packet[7] = 2;
	copy(packet + 18, packet + 8, 10);
	copy(packet + 8, mac, 6);
	copy(packet + 14, address, 4);
	return 28;
}

/* Makes the answer to a ping or a datagram in its place; its length, or 0. */
static size_t ipv4(unsigned char *packet, size_t length)
{
	unsigned char *inner = packet + IPV4;
	size_t total;

	/* No options, no fragments, whole, to us alone. */
	if (length < IPV4 || packet[0] != 0x45 || (get16(packet + 6) & 0x3fff) != 0 || checksum(packet, IPV4) != 0)
		return 0;
	total = get16(packet + 2);
	if (total > length || total < IPV4 + 8 || !same(packet + 16, address, 4))
		return 0;
	switch (packet[9]) {
	case 1:
		if (inner[0] != 8 || checksum(inner, total - IPV4) != 0)
			return 0;
		inner[0] = 0;
		put16(inner + 2, 0);
		put16(inner + 2, checksum(inner, total - IPV4));
		break;
	case 17:
		if (get16(inner + 2) != 7 || get16(inner + 4) < 8 || get16(inner + 4) > total - IPV4)
			return 0;
		/* Both sums stay as they are: nothing but the order of what is summed has changed. */
		swap(inner, inner + 2, 2);
		break;
	default:
		return 0;
	}
	swap(packet + 12, packet + 16, 4);
	return total;
}

static size_t answer(size_t length)
{
	unsigned char *packet = frame + ETHERNET;
	size_t done;

	if (length < ETHERNET || ((frame[0] & 1) == 0 && !same(frame, mac, 6)))
		return 0;
	switch (get16(frame + 12)) {
	case 0x0806: done = arp(packet, length - ETHERNET); break;
	case 0x0800: done = ipv4(packet, length - ETHERNET); break;
	default: return 0;
	}
	if (done == 0)
		return 0;
	copy(frame, frame + 6, 6);
	copy(frame + 6, mac, 6);
	return ETHERNET + done;
}

static void *serve(void *argument)
{
	long echoed = 0;

	(void)argument;
	for (;;) {
		size_t length = 0;
		int error = rumpuser_link_receive(link, frame, sizeof frame, -1, &length);

		if (error == RUMPUSER_EMSGSIZE)
			continue;
		if (error != 0)
			break;
		length = answer(length);
		if (length == 0)
			continue;
		/* A short frame is padded; what the host lost it asks for again. */
		if (length < 60) {
			for (size_t i = length; i < 60; i++)
				frame[i] = 0;
			length = 60;
		}
		if (rumpuser_link_send(link, &(struct rumpuser_iov){ frame, length }, 1) == 0 && ++echoed == 1)
			say("first answer on link 0\n");
	}
	return NULL;
}

/* Four numbers with dots. */
static int parse(const char *text, uint8_t parsed[4])
{
	for (int i = 0; i < 4; i++) {
		int value = 0, digits = 0;

		while (*text >= '0' && *text <= '9' && digits < 3) {
			value = value * 10 + (*text++ - '0');
			digits++;
		}
		if (digits == 0 || value > 255 || *text++ != (i == 3 ? '\0' : '.'))
			return 0;
		parsed[i] = (uint8_t)value;
	}
	return 1;
}

void echo_start(void)
{
	char text[32];
	uint8_t other[4];
	size_t mtu;

	if (rumpuser_link_open(0, &link, mac, &mtu) != 0) {
		say("there is no link\n");
		return;
	}
	if (rumpuser_getparam("address", text, sizeof text) == 0) {
		if (parse(text, other))
			copy(address, other, 4);
		else
			say("address=%s is not an IPv4 address\n", text);
	}
	say("echo on %d.%d.%d.%d, %02x:%02x:%02x:%02x:%02x:%02x, MTU %zu\n", address[0], address[1], address[2], address[3],
	    mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], mtu);
	thread_start("echo", serve, NULL);
}
