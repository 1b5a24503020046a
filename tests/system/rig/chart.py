"""A bar chart as a PNG, by the standard library alone: one bar a row, its name and its figure."""

import struct
import zlib

# 5 x 7 letters, a column a byte, lowest bit on top.
FONT = {
    " ": "0000000000", "-": "0808080808", ".": "0060600000", "/": "2010080402", ",": "0050300000",
    "_": "4040404040",
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10",
    "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e",
    "a": "2054545478", "b": "7f48444438", "c": "3844444420", "d": "384444487f", "e": "3854545418",
    "f": "087e090102", "g": "0c5252523e", "h": "7f08040478", "i": "00447d4000", "j": "2040443d00",
    "k": "7f10284400", "l": "00417f4000", "m": "7c04180478", "n": "7c08040478", "o": "3844444438",
    "p": "7c14141408", "q": "081414187c", "r": "7c08040408", "s": "4854545420", "t": "043f444020",
    "u": "3c4040207c", "v": "1c2040201c", "w": "3c4030403c", "x": "4428102844", "y": "0c5050503c",
    "z": "4464544c44",
}
SCALE, ROW, MARGIN, LEFT, BAR = 2, 34, 20, 300, 420
WHITE, INK = b"\xff\xff\xff", b"\x20\x20\x28"
COLOURS = {"tandem": b"\x1f\x77\xb4", "rtpengine": b"\xd6\x7d\x27"}
OTHER = b"\x99\x99\x99"


class Canvas:
    def __init__(self, width, height):
        self.width, self.lines = width, [bytearray(WHITE * width) for _ in range(height)]

    def box(self, left, top, width, height, colour):
        for line in self.lines[top:top + height]:
            line[3 * left:3 * (left + width)] = colour * width

    def text(self, left, top, words):
        for letter in words.lower():
            columns = bytes.fromhex(FONT.get(letter, FONT[" "]))
            for x, column in enumerate(columns):
                for y in range(8):
                    if column >> y & 1:
                        self.box(left + SCALE * x, top + SCALE * y, SCALE, SCALE, INK)
            left += 6 * SCALE

    def png(self):
        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data +
                    struct.pack(">I", zlib.crc32(kind + data)))
        head = struct.pack(">IIBBBBB", self.width, len(self.lines), 8, 2, 0, 0, 0)
        rows = b"".join(b"\0" + bytes(line) for line in self.lines)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
                chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def draw(path, rows, title="highest clean rate, packets/s"):
    """`rows`: (name, value); the name's first word chooses the colour."""
    canvas = Canvas(LEFT + BAR + 160, 2 * MARGIN + ROW * (len(rows) + 1))
    canvas.text(MARGIN, MARGIN, title)
    most = max((value for _, value in rows), default=0) or 1
    for i, (name, value) in enumerate(rows):
        top = MARGIN + ROW * (i + 1)
        canvas.text(MARGIN, top + 5, name)
        width = max(1, round(BAR * value / most))
        canvas.box(LEFT, top, width, ROW - 10, COLOURS.get(name.split()[0], OTHER))
        canvas.text(LEFT + width + 8, top + 5, f"{value:,}")
    with open(path, "wb") as out:
        out.write(canvas.png())
