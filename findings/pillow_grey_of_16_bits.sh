#!/usr/bin/env bash
# Pillow turns a grey PNG of 16 bits into white when it converts it to 8 bits, but not an RGB PNG with the same values.
#
# Guess:    convert("L") and convert("RGB") keep the picture as far as 8 bits can hold it: 30000 of 65535 becomes about
#           117 of 255. An RGB PNG of 16 bits is read that way.
# Happens:  a grey one is read with all its bits (mode I;16), and convert() cuts every value above 255 down to 255. A
#           normal picture becomes white, without a warning.
# Matters:  blender_image_to_3d/pictures scales such pixels itself before it converts anything.
# Versions: pillow 13.0.0 (the same in 10.4.0, 11.3.0 and 12.0.0), Python 3.11.7; Debian 12, 2026-11-28
# Seen:
#   grey, 16 bits: mode I;16, as L [0, 255, 255, 255], as RGB [0, 255, 255, 255]
#   RGB, 16 bits: mode RGB, as L [0, 1, 117, 255], as RGB [0, 1, 117, 255]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0
cd "$folder"
venv/bin/python - <<'END' | tee seen
import io, struct, zlib
from PIL import Image

VALUES = (0, 256, 30000, 65535)

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(colour_type, channels):
    """A valid PNG of one row with 16 bits in each channel; colour type 0 is grey, 2 is RGB."""
    head = struct.pack(">IIBBBBB", len(VALUES), 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(">H", value) * channels for value in VALUES)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")

for name, content in (("grey", png(0, 1)), ("RGB", png(2, 3))):
    image = Image.open(io.BytesIO(content))
    grey = list(image.convert("L").tobytes())
    red = list(image.convert("RGB").tobytes()[::3])
    print(f"{name}, 16 bits: mode {image.mode}, as L {grey}, as RGB {red}")
END
# Every line of "Seen" above, and nothing else.
diff <(sed -n '/^# Seen:/,/^[^#]/s/^#   //p' "$OLDPWD/$0") seen
