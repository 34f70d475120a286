/* rumpuser_dprintf: formats into a small buffer, which goes to the console when it is full and at the end. */
#include <stdarg.h>

#include "rumpuser.h"

/* Of the crate. */
void rumpuser_c_write(const char *text, size_t length);

struct output {
	size_t used;
	char text[160];
};

static void put(struct output *output, char character)
{
	if (output->used == sizeof output->text) {
		rumpuser_c_write(output->text, output->used);
		output->used = 0;
	}
	output->text[output->used++] = character;
}

static void pad(struct output *output, char character, long count)
{
	while (count-- > 0)
		put(output, character);
}

/* One conversion: what stands between the per cent sign and the letter. */
struct form {
	int left, zero, alternate;
	/* A plus sign or a space, or nothing. */
	char sign;
	long width;
	/* Negative: none. */
	long precision;
};

static void put_text(struct output *output, const struct form *form, const char *text)
{
	size_t length = 0;

	if (text == NULL)
		text = "(null)";
	while ((form->precision < 0 || length < (size_t)form->precision) && text[length] != '\0')
		length++;
	if (!form->left)
		pad(output, ' ', form->width - (long)length);
	for (size_t i = 0; i < length; i++)
		put(output, text[i]);
	if (form->left)
		pad(output, ' ', form->width - (long)length);
}

static void put_number(struct output *output, const struct form *form, uint64_t value, int base, int upper,
    const char *prefix)
{
	char digits[64];
	const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	long count = 0, zeroes, length = 0;

	while (prefix[length] != '\0')
		length++;
	for (; value != 0; value /= base)
		digits[count++] = alphabet[value % base];
	zeroes = (form->precision < 0 ? 1 : form->precision) - count;
	if (form->alternate && base == 8 && zeroes <= 0)
		zeroes = 1;
	if (zeroes < 0)
		zeroes = 0;
	length += count + zeroes;
	if (form->zero && !form->left && form->precision < 0 && form->width > length) {
		zeroes += form->width - length;
		length = form->width;
	}
	if (!form->left)
		pad(output, ' ', form->width - length);
	while (*prefix != '\0')
		put(output, *prefix++);
	pad(output, '0', zeroes);
	while (count > 0)
		put(output, digits[--count]);
	if (form->left)
		pad(output, ' ', form->width - length);
}

static void put_signed(struct output *output, const struct form *form, int64_t value)
{
	const char sign[2] = { value < 0 ? '-' : form->sign, '\0' };

	put_number(output, form, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 0, sign);
}

static long decimal(const char **format)
{
	long value = 0;

	while (**format >= '0' && **format <= '9' && value < 10000)
		value = value * 10 + (*(*format)++ - '0');
	return value;
}

/* Integers by their size: -2 for char, -1 short, 0 int, 1 long and all that is as long. */
static int size_of(const char **format)
{
	int size = 0;

	for (;; (*format)++) {
		if (**format == 'h')
			size--;
		else if (**format == 'l' || **format == 'j' || **format == 'z' || **format == 't')
			size = 1;
		else
			return size;
	}
}

static int64_t narrow(int64_t value, int size)
{
	switch (size) {
	case -2: return (signed char)value;
	case -1: return (short)value;
	case 0: return (int)value;
	default: return value;
	}
}

static uint64_t narrow_unsigned(uint64_t value, int size)
{
	switch (size) {
	case -2: return (unsigned char)value;
	case -1: return (unsigned short)value;
	case 0: return (unsigned int)value;
	default: return value;
	}
}

void rumpuser_dprintf(const char *format, ...)
{
	struct output output = { 0 };
	va_list arguments;

	va_start(arguments, format);
	for (; *format != '\0'; format++) {
		struct form form = { .precision = -1 };
		int size;

		if (*format != '%') {
			put(&output, *format);
			continue;
		}
		for (format++;; format++) {
			if (*format == '-')
				form.left = 1;
			else if (*format == '0')
				form.zero = 1;
			else if (*format == '#')
				form.alternate = 1;
			else if (*format == '+' || (*format == ' ' && form.sign == '\0'))
				form.sign = *format;
			else
				break;
		}
		if (*format == '*') {
			format++;
			form.width = va_arg(arguments, int);
			if (form.width < 0) {
				form.left = 1;
				form.width = -form.width;
			}
		} else {
			form.width = decimal(&format);
		}
		if (*format == '.') {
			format++;
			if (*format == '*') {
				format++;
				form.precision = va_arg(arguments, int);
			} else {
				form.precision = decimal(&format);
			}
		}
		size = size_of(&format);
		switch (*format) {
		case 'd':
		case 'i':
			put_signed(&output, &form,
			    narrow(size > 0 ? va_arg(arguments, int64_t) : va_arg(arguments, int), size));
			break;
		case 'u':
		case 'o':
		case 'x':
		case 'X': {
			uint64_t value = narrow_unsigned(
			    size > 0 ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned int), size);
			int base = *format == 'u' ? 10 : *format == 'o' ? 8 : 16;
			const char *prefix = base != 16 || !form.alternate || value == 0 ? "" : *format == 'x' ? "0x" : "0X";

			put_number(&output, &form, value, base, *format == 'X', prefix);
			break;
		}
		case 'p':
			put_number(&output, &form, (uintptr_t)va_arg(arguments, void *), 16, 0, "0x");
			break;
		case 'c': {
			const char text[2] = { (char)va_arg(arguments, int), '\0' };

			form.precision = 1;
			put_text(&output, &form, text);
			break;
		}
		case 's':
			put_text(&output, &form, va_arg(arguments, const char *));
			break;
		case '%':
			put(&output, '%');
			break;
		case '\0':
			/* It ends inside a conversion. */
			format--;
			break;
		default:
			/* Not known: shown as it stands, so that the mistake is seen. */
			put(&output, '%');
			put(&output, *format);
		}
	}
	va_end(arguments);
	if (output.used != 0)
		rumpuser_c_write(output.text, output.used);
}
