"""Where each recognizer wants the landmarks of an aligned face."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """Where a recognizer wants its faces.

    size: side of the aligned square face in pixels; channels: 1 (luma) or 3 (RGB); points: (5, 2) where the landmarks
    go in the least-squares sense, or None for LightCNN's rule (eye line horizontal, see `lightcnn_transform`).
    """

    size: int
    channels: int
    points: tuple[tuple[float, float], ...] | None = None


LIGHTCNN_TEMPLATE = Template(size=128, channels=1)
LIGHTCNN_EYE_CENTER = (64.0, 40.0)
LIGHTCNN_EYE_TO_MOUTH = 48.0

# Where MTCNN's landmarks fall in dlib's own 150×150 chips (padding 0.25).
DLIB_TEMPLATE = Template(
    size=150, channels=3, points=((43.1, 35.4), (99.8, 35.9), (72.3, 69.4), (46.4, 100.4), (94.7, 101.0))
)

# What github.com/foamliu/MobileFaceNet was trained with: the usual five points of ArcFace, for 112×112.
MOBILEFACENET_TEMPLATE = Template(
    size=112, channels=3, points=((38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20))
)

# As MobileFaceNet's, twice as large, symmetric and in the middle.
MOBILENET_TEMPLATE = Template(
    size=224, channels=3, points=((76.8, 71.2), (147.2, 71.2), (112.0, 111.5), (82.8, 152.6), (141.2, 152.6))
)

# Where MTCNN's landmarks fall in facenet-pytorch's own crops (`MTCNN(image_size=160, margin=0)`: the largest box, cut
# at whole pixels and resized to a square), upright. Those crops widen a face; a similarity does not, and meets them
# halfway.
FACENET_TEMPLATE = Template(
    size=160, channels=3, points=((43.8, 62.5), (115.2, 62.5), (79.5, 94.1), (48.1, 122.1), (110.9, 122.1))
)

# Where MTCNN's last network finds them in the square that the one before it hands over (mean of 100 people of LFW).
ONET_TEMPLATE = Template(
    size=48, channels=3, points=((16.0, 18.0), (32.3, 17.7), (24.3, 27.3), (17.2, 35.8), (31.6, 35.5))
)

# As the last network's, with half a face's room on every side, for CenterFace to find it in.
CENTERFACE_TEMPLATE = Template(
    size=96, channels=3, points=((40.0, 42.0), (56.3, 41.7), (48.3, 51.3), (41.2, 59.8), (55.6, 59.5))
)
