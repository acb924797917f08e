"""FaceNet: facenet-pytorch's Inception-ResNet v1, for its released vggface2 and casia-webface checkpoints.

(Schroff, Kalenichenko, Philbin, CVPR 2015; networks trained by D. Sandberg, github.com/davidsandberg/facenet.) The one
of CASIA-WebFace ships; `deid weights fetch` or `deid weights import` brings facenet-pytorch's files, which carry the
training classes' layer `logits`, too.
"""

from facenet_pytorch import InceptionResnetV1
from torch import Tensor


class FaceNet(InceptionResnetV1):
    """Aligned RGB faces (N, 3, 160, 160) in [0, 1] → unit embeddings (N, 512).

    A subclass, not a wrapper, so that the parameters keep their released names.
    """

    def __init__(self) -> None:
        super().__init__(pretrained=None, classify=False)

    def forward(self, faces: Tensor) -> Tensor:
        # facenet-pytorch's fixed_image_standardization, which takes 0..255.
        return super().forward((faces * 255 - 127.5) / 128)
