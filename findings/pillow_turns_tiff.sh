#!/usr/bin/env bash
# Pillow turns a TIFF upright by itself, and no other format; some versions give its size before that.
#
# Guess:    the orientation that a camera writes into a file (EXIF tag 274) is treated alike in every format: the pixels
#           come as they are stored, and ImageOps.exif_transpose() turns them.
# Happens:  JPEG, PNG and WebP come as they are stored. A TIFF comes turned, and without the tag once it is loaded. In
#           10.4.0 `size` is that of the stored pixels until they are loaded, and the other way round afterwards.
# Matters:  blender_image_to_3d/pictures tries out on two pixels whether this Pillow turns a TIFF.
# Versions: pillow 10.4.0 and 13.0.0, Python 3.11.7; Debian 12, 2026-11-28
# Seen:
#   10.4.0 TIFF: opened (4, 2), loaded (2, 4), orientation None
#   10.4.0 JPEG: opened (4, 2), loaded (4, 2), orientation 6
#   10.4.0 PNG: opened (4, 2), loaded (4, 2), orientation 6
#   10.4.0 WEBP: opened (4, 2), loaded (4, 2), orientation 6
#   13.0.0 TIFF: opened (2, 4), loaded (2, 4), orientation None
#   13.0.0 JPEG: opened (4, 2), loaded (4, 2), orientation 6
#   13.0.0 PNG: opened (4, 2), loaded (4, 2), orientation 6
#   13.0.0 WEBP: opened (4, 2), loaded (4, 2), orientation 6
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
cd "$folder"
for version in 10.4.0 13.0.0; do
  venv/bin/python -m pip install --quiet --disable-pip-version-check "pillow==$version"
  venv/bin/python - <<'END'
import io
import PIL
from PIL import Image

ORIENTATION = 274

for kind in ("TIFF", "JPEG", "PNG", "WEBP"):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn
    Image.new("RGB", (4, 2)).save(stream, kind, exif=exif)
    image = Image.open(stream)
    opened = image.size
    image.load()
    print(f"{PIL.__version__} {kind}: opened {opened}, loaded {image.size}, orientation {image.getexif().get(ORIENTATION)}")
END
done | tee seen
# Every line of "Seen" above, and nothing else.
diff <(sed -n '/^# Seen:/,/^[^#]/s/^#   //p' "$OLDPWD/$0") seen
