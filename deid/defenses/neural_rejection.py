"""Neural rejection, NR: machines over the last layer, which reject what is near no class (Melis and others, ICCV
workshops 2017).
"""

from torch import Tensor

from deid.defenses.checked import check_training
from deid.defenses.contract import Classifier, Defended
from deid.defenses.kernel_machines import learn
from deid.defenses.rejecting import SHARE, features_of, learning_and_calibrating, rejecting

PHOTOS = 2  # of each class: one to learn from, one for θ


def neural_rejection(
    classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int, share: float = SHARE
) -> Defended:
    """As `contract.Fit`. share: of the photos kept aside for it, clean as they are, that θ rejects."""
    classes = check_training(photos, labels, PHOTOS)
    learned, kept = learning_and_calibrating(labels, seed)
    machines = learn(features_of(classifier, photos[learned])[-1], labels[learned], classes)
    return rejecting(lambda faces: machines.scores(classifier.layers(faces)[-1]), photos[kept], share)
