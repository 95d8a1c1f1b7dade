"""How ranges of code points are written in the generated tables."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(n):
    text = ""
    while True:
        n, digit = divmod(n, 36)
        text = DIGITS[digit] + text
        if n == 0:
            return text


def encode(points):
    ranges = []
    for c in points:
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    out, at = [], 0
    for first, last in ranges:
        out.append(base36(first - at) + ("" if first == last else "." + base36(last - first)))
        at = last
    return " ".join(out)


def lines(text, width=118):
    while text:
        cut = len(text) if len(text) <= width else text.rfind(" ", 0, width) + 1
        yield text[:cut]
        text = text[cut:]
